/* The library's own structures, and what its files share. */

#ifndef NNAPI_CHECK_STATE_H
#define NNAPI_CHECK_STATE_H

#include <stdatomic.h>

#include "bridge.h"

/* What keeps an operand's value alive. All may be null. */
struct operand_owner {
    void *copied;
    ANeuralNetworksMemory *memory;
    ANeuralNetworksModel *model;
};

struct ANeuralNetworksModel {
    struct host_model view;
    struct operand_owner *owners;
    uint32_t operand_capacity;
    uint32_t operation_capacity;
    bool is_finished;
    bool is_invalid;
    atomic_bool is_freed; /* By the caller, while something here still holds it. */
    atomic_int references;
};

/* A model that came out of a cache: the bytes that it lies in, and the number that the interpreter knows it by. */
struct cached_model {
    uint8_t *bytes;
    uint64_t id;
};

struct ANeuralNetworksCompilation {
    uint64_t id;
    ANeuralNetworksModel *model;
    uint32_t device_count; /* 0 where the devices are not chosen by the caller. */
    uint64_t timeout;      /* In nanoseconds, 0 for none. */
    char *cache_path;
    struct cached_model cached;
    bool is_finished;
    bool is_prepared;
    atomic_bool is_freed; /* By the caller, while something here still holds it. */
    atomic_int references;
};

enum {
    EXECUTION_BEING_SET = 0,
    EXECUTION_RUNNING = 1,
    EXECUTION_DONE = 2,
};

struct ANeuralNetworksExecution {
    struct host_execution view;
    ANeuralNetworksCompilation *compilation;
    ANeuralNetworksMemory **memories; /* One for each argument, inputs first. */
    uint64_t timeout;                 /* In nanoseconds, 0 for none. */
    uint64_t duration;                /* Of the last computation. */
    bool measures_timing;
    bool is_reusable;
    bool is_padded;
    bool has_arguments;
    atomic_int state;
    int result;
};

/* An input or output of a compilation that a memory may serve as. */
struct memory_role {
    const ANeuralNetworksCompilation *compilation;
    bool is_output;
    uint32_t index;
};

/* What is known of a memory that was made for roles. */
struct memory_purpose {
    struct memory_role *roles;
    uint32_t role_count;
    uint32_t rank;
    uint32_t *dimensions;
    struct host_operand operand; /* Its type and quantization. */
};

struct ANeuralNetworksMemory {
    void *mapping;
    size_t mapped;
    uint8_t *data;
    size_t size;
    bool is_writable;
    bool is_for_roles; /* Then ``data`` is the library's own. */
    struct memory_purpose purpose;
    atomic_bool is_initialized;
    atomic_bool is_freed; /* By the caller, while something here still holds it. */
    atomic_int references;
};

/* Report a refusal to the callbacks, and give back its code. */
__attribute__((format(printf, 3, 4))) int refuse(int code, const char *function, const char *format, ...);

/* Leave a function that the level which is played does not have. The library of that level does not export it. */
#define REQUIRE(function)                                            \
    do {                                                             \
        if (nnapi_host_level() < SINCE_##function) {                 \
            return refuse_as_absent(SINCE_##function, #function);    \
        }                                                            \
    } while (0)

int refuse_as_absent(int32_t since, const char *function);

uint64_t next_id(void);
void count_objects(int change);

/* Callbacks, or their absence as OP_FAILED. */
int call_finish_model(const struct host_model *model);
int call_supported_operations(uint64_t model_id, uint32_t count, uint8_t *supported);
int call_prepare(uint64_t compilation_id, uint64_t model_id);
int call_execute(struct host_execution *execution);
void call_release(int32_t what, uint64_t id);

/* A type as addOperand, setInput and setOutput take it. */
int check_operand_type(const ANeuralNetworksOperandType *type, const char *function);
bool is_tensor_type(int32_t type);

/* Bytes of a value; 0 where a dimension or the rank is unknown. */
uint64_t size_of_value(int32_t type, uint32_t rank, const uint32_t *dimensions);

/* A copy of ``count`` elements; null for none. False where memory is lacking. */
bool copy_array(void **copy, const void *data, size_t count, size_t size);

/* The next capacity of an array that grows. */
uint32_t larger_capacity(uint32_t capacity);

int check_devices(const ANeuralNetworksDevice *const *devices, uint32_t count, const char *function);

/* Whether the model may still be changed. */
int check_open(const ANeuralNetworksModel *model, const char *function);

ANeuralNetworksModel *hold_model(const ANeuralNetworksModel *model);
void release_model(ANeuralNetworksModel *model);
ANeuralNetworksCompilation *hold_compilation(ANeuralNetworksCompilation *compilation);
void release_compilation(ANeuralNetworksCompilation *compilation);
ANeuralNetworksMemory *hold_memory(const ANeuralNetworksMemory *memory);
void release_memory(ANeuralNetworksMemory *memory);

/* The longest time for a WHILE, in nanoseconds. Executions have it at first: the interpreter is slower than a phone, so
   that NNAPI's default of two seconds is not held. */
#define MAXIMUM_LOOP_TIMEOUT 15000000000u

/* Nanoseconds since some moment. */
uint64_t now(void);

/* Whether the caller chose one device, as timeouts and timing demand. */
int check_one_device(const ANeuralNetworksCompilation *compilation, const char *function);
int check_being_set(const ANeuralNetworksExecution *execution, const char *function);

/* Take an execution for a computation; then compute it. */
int begin_execution(ANeuralNetworksExecution *execution, const char *function);
int run_execution(ANeuralNetworksExecution *execution, uint64_t timeout, const char *function);
int finish_execution(ANeuralNetworksExecution *execution, int result);

/* Prepare a compilation's model from the cache, or without it, and then fill the cache. */
int prepare_with_cache(ANeuralNetworksCompilation *compilation, const char *function);
void release_cached(ANeuralNetworksCompilation *compilation);

/* Whether a memory for roles may serve as this argument; any other may. */
int check_role(const ANeuralNetworksMemory *memory, const struct memory_role *role, size_t offset, size_t length,
               const char *function);
void free_purpose(struct memory_purpose *purpose);

/* Whether the caller kept what NNAPI obliges it to keep. */
int check_model_kept(const ANeuralNetworksModel *model, const char *function);
int check_execution_kept(const ANeuralNetworksExecution *execution, const char *function);

/* Whether ``length`` bytes at ``offset`` lie in the memory. */
int check_range(const ANeuralNetworksMemory *memory, size_t offset, size_t length, const char *function);

#endif

/* What passes between this library and whoever validates and computes models: a caller's five functions. */

#ifndef NNAPI_CHECK_BRIDGE_H
#define NNAPI_CHECK_BRIDGE_H

#include "neural_networks.h"

/* NumPy, and so the interpreter, knows no more dimensions. */
#define HOST_LARGEST_RANK 64

/* Where an operand's value comes from. */
enum {
    HOST_SOURCE_COMPUTED = 0,
    HOST_SOURCE_INPUT = 1,
    HOST_SOURCE_OUTPUT = 2,
    HOST_SOURCE_COPIED = 3,
    HOST_SOURCE_BORROWED = 4,
    HOST_SOURCE_OMITTED = 5,
    HOST_SOURCE_MODEL = 6,
};

struct host_operand {
    int32_t type;
    uint32_t rank;
    uint32_t *dimensions;
    float scale;
    int32_t zero_point;
    int32_t source;
    uint32_t channel_dim;
    uint32_t channel_count;
    float *channel_scales;
    uint64_t length;
    const void *value;
    uint64_t model_id; /* Of the model that the operand refers to. */
};

struct host_operation {
    int32_t code;
    uint32_t input_count;
    uint32_t output_count;
    uint32_t *inputs;
    uint32_t *outputs;
};

struct host_model {
    uint64_t id;
    int32_t level;
    int32_t is_relaxed;
    uint32_t operand_count;
    uint32_t operation_count;
    uint32_t input_count;
    uint32_t output_count;
    struct host_operand *operands;
    struct host_operation *operations;
    uint32_t *inputs;
    uint32_t *outputs;
};

enum {
    HOST_ARGUMENT_UNSET = 0,
    HOST_ARGUMENT_GIVEN = 1,
    HOST_ARGUMENT_OMITTED = 2,
};

struct host_argument {
    int32_t state;
    uint32_t rank;
    uint32_t *dimensions;
    void *data;
    uint64_t length;
    int32_t is_sufficient;
};

struct host_execution {
    uint64_t compilation_id;
    uint64_t loop_timeout; /* In nanoseconds, for each WHILE. */
    uint32_t input_count;
    uint32_t output_count;
    struct host_argument *inputs;
    struct host_argument *outputs;
};

enum {
    HOST_RELEASE_MODEL = 0,
    HOST_RELEASE_COMPILATION = 1,
};

/* A callback stores its result code. Where it stores none, for it failed midway, the code is OP_FAILED. No lock is
   held while a callback runs. */
struct host_callbacks {
    void (*finish_model)(const struct host_model *model, int32_t *code);
    void (*supported_operations)(uint64_t model_id, uint32_t count, uint8_t *supported, int32_t *code);
    void (*prepare)(uint64_t compilation_id, uint64_t model_id, int32_t *code);
    void (*execute)(struct host_execution *execution, int32_t *code);
    void (*release)(int32_t what, uint64_t id);
    void (*refused)(const char *function, int32_t code, const char *words);
};

/* The callbacks must live until others are attached and every call under way has returned. Null detaches. */
NNAPI_EXPORT void nnapi_host_attach(const struct host_callbacks *callbacks);

/* The feature level, from 1 on, that new models are held against and whose functions answer, and that of this thread
   alone (0 for none), which gives back what it was before. */
NNAPI_EXPORT void nnapi_host_set_level(int32_t level);
NNAPI_EXPORT int32_t nnapi_host_set_thread_level(int32_t level);
NNAPI_EXPORT int32_t nnapi_host_level(void);

/* Store an output's shape and copy its bytes. Returns OUTPUT_INSUFFICIENT_SIZE where they do not fit. */
NNAPI_EXPORT int nnapi_host_write_output(struct host_execution *execution, uint32_t index, uint32_t rank,
                                         const uint32_t *dimensions, const void *data, uint64_t length);

/* How many models, compilations, executions, memories and events exist. */
NNAPI_EXPORT int64_t nnapi_host_live_objects(void);

#endif

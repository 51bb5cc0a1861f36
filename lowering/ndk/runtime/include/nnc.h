/* Runs model files of `nnapi-check convert --target ndk` on Android's Neural Networks API, from Android 8.1 on.
 *
 *     nnc_nnapi *nnapi;  nnc_model *model;  nnc_program *program;  nnc_run *run;
 *     nnc_nnapi_open(NULL, &nnapi);
 *     nnc_model_open("model.nnc", &model);
 *     nnc_program_create(nnapi, model, NULL, &program);
 *     nnc_run_create(program, NNC_RUN_PLAIN, &run);
 *     nnc_run_set_input(run, 0, pixels, sizeof pixels, NNC_ORDER_PYTORCH);
 *     nnc_run_set_output(run, 0, scores, sizeof scores, NNC_ORDER_PYTORCH);
 *     if (nnc_run_compute(run) != NNC_OK) puts(nnc_last_error());
 *
 * What is created is freed by the caller, in any order. Functions that return a status leave their outputs untouched
 * where it is not NNC_OK, and the reason in words in nnc_last_error(). Objects may be used from several threads, but a
 * run from one thread at a time.
 */

#ifndef NNC_H
#define NNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NNC_API __attribute__((visibility("default")))

typedef enum nnc_status {
    NNC_OK = 0,
    NNC_NO_NNAPI = 1,        /* The device has no NNAPI, or not the one that was asked for. */
    NNC_CANNOT_READ = 2,     /* The file cannot be opened or mapped. */
    NNC_BAD_FILE = 3,        /* The file is no model file, or a damaged one. */
    NNC_BAD_ARGUMENT = 4,    /* The call is wrong: an index, a length, a null pointer. */
    NNC_BAD_STATE = 5,       /* The call comes at the wrong time: an input is not set, a run is under way. */
    NNC_LEVEL_TOO_LOW = 6,   /* NNAPI on this device does not have what is asked for. */
    NNC_NO_DEVICE = 7,       /* No device fits what was asked for. */
    NNC_REFUSED = 8,         /* NNAPI or its driver refused. */
    NNC_DEADLINE_MISSED = 9, /* The time that was given is over, or could not be kept. */
    NNC_DEVICE_LOST = 10,    /* The device failed, is busy or gone; trying again may help. */
    NNC_OUT_OF_MEMORY = 11,
} nnc_status;

typedef enum nnc_element {
    NNC_FLOAT32 = 0,
    NNC_FLOAT16 = 1,
    NNC_INT64 = 2,
    NNC_INT32 = 3,
    NNC_BOOL = 4,
    NNC_QUINT8 = 5, /* real = scale * (stored - zero_point) */
    NNC_QINT8 = 6,
} nnc_element;

typedef enum nnc_preference {
    NNC_AS_CONVERTED = -1, /* What the model was converted with. */
    NNC_LOW_POWER = 0,
    NNC_FAST_SINGLE_ANSWER = 1,
    NNC_SUSTAINED_SPEED = 2,
} nnc_preference;

typedef enum nnc_priority {
    NNC_PRIORITY_DEFAULT = 0,
    NNC_PRIORITY_LOW = 90,
    NNC_PRIORITY_MEDIUM = 100,
    NNC_PRIORITY_HIGH = 110,
} nnc_priority;

typedef enum nnc_device_type {
    NNC_DEVICE_ANY = 0,
    NNC_DEVICE_OTHER = 1,
    NNC_DEVICE_CPU = 2,
    NNC_DEVICE_GPU = 3,
    NNC_DEVICE_ACCELERATOR = 4,
} nnc_device_type;

/* In which order of dimensions, and as which elements, the caller has a tensor: as the PyTorch module does, which may
   take a copy, or as NNAPI does (nnc_tensor's nnapi_ fields), which takes none. */
typedef enum nnc_order {
    NNC_ORDER_PYTORCH = 0,
    NNC_ORDER_NNAPI = 1,
} nnc_order;

typedef enum nnc_run_kind {
    NNC_RUN_PLAIN = 0,
    NNC_RUN_BURST = 1, /* For runs in quick succession: from feature level 3 on, plain below. */
} nnc_run_kind;

#define NNC_MAX_RANK 8

/* An input or output of a model. Its strings live as long as the model. */
typedef struct nnc_tensor {
    const char *name;
    nnc_element element;
    uint32_t rank;
    uint32_t shape[NNC_MAX_RANK];
    size_t byte_length;
    float scale;
    int32_t zero_point;
    nnc_element nnapi_element; /* NNC_QUINT8 for NNC_QINT8, 128 higher; NNC_INT32 for NNC_INT64. */
    uint32_t nnapi_rank;
    uint32_t nnapi_shape[NNC_MAX_RANK];
    size_t nnapi_byte_length;
} nnc_tensor;

typedef struct nnc_device {
    const char *name;
    const char *version;
    nnc_device_type type;
    int32_t feature_level;
} nnc_device;

typedef struct nnc_options {
    nnc_preference preference;
    nnc_priority priority;          /* From feature level 4 on; ignored below. */
    const char *device_name;        /* Null for any. A name or a type needs feature level 3. */
    nnc_device_type device_type;
    bool refuses_reference;         /* Do not compute on NNAPI's own CPU implementation; needs feature level 3. */
    bool is_relaxed;                /* Let float32 be computed as float16, although the file does not ask for it. */
    const char *cache_directory;    /* The app's code cache directory; null for none. Ignored below level 3. */
    uint64_t compile_timeout_ns;    /* 0 for none. These three need feature level 4, and are ignored below. */
    uint64_t run_timeout_ns;
    uint64_t loop_timeout_ns;       /* For each WHILE; 0 for NNAPI's own. */
} nnc_options;

typedef struct nnc_nnapi nnc_nnapi;     /* NNAPI as this device has it. */
typedef struct nnc_model nnc_model;     /* A model file, mapped and verified. */
typedef struct nnc_program nnc_program; /* A model, compiled for the device. */
typedef struct nnc_run nnc_run;         /* One call of a program, which can be repeated. */
typedef struct nnc_memory nnc_memory;   /* Memory that devices share. */

/* Why this thread's last call failed, in words. Never null. */
NNC_API const char *nnc_last_error(void);

/* NNAPI's library by another name or path than libneuralnetworks.so, or null for that. */
NNC_API nnc_status nnc_nnapi_open(const char *library, nnc_nnapi **nnapi);
NNC_API void nnc_nnapi_free(nnc_nnapi *nnapi);
NNC_API int32_t nnc_nnapi_feature_level(const nnc_nnapi *nnapi);
/* None below feature level 3. */
NNC_API uint32_t nnc_nnapi_device_count(const nnc_nnapi *nnapi);
NNC_API nnc_status nnc_nnapi_device(const nnc_nnapi *nnapi, uint32_t index, nnc_device *device);

NNC_API nnc_status nnc_model_open(const char *path, nnc_model **model);
/* Part of an open file, such as an asset that is stored without compression. The descriptor remains the caller's. */
NNC_API nnc_status nnc_model_open_fd(int descriptor, int64_t offset, int64_t length, nnc_model **model);
NNC_API void nnc_model_free(nnc_model *model);
/* Reads all weights, and compares their checksum. Opening a model does not. */
NNC_API nnc_status nnc_model_check_weights(const nnc_model *model);
NNC_API int32_t nnc_model_feature_level(const nnc_model *model);
NNC_API uint32_t nnc_model_input_count(const nnc_model *model);
NNC_API uint32_t nnc_model_output_count(const nnc_model *model);
NNC_API nnc_status nnc_model_input(const nnc_model *model, uint32_t index, nnc_tensor *tensor);
NNC_API nnc_status nnc_model_output(const nnc_model *model, uint32_t index, nnc_tensor *tensor);

NNC_API nnc_options nnc_default_options(void);
/* `options` may be null for the default ones. */
NNC_API nnc_status nnc_program_create(const nnc_nnapi *nnapi, const nnc_model *model, const nnc_options *options,
                                      nnc_program **program);
NNC_API void nnc_program_free(nnc_program *program);

NNC_API nnc_status nnc_run_create(const nnc_program *program, nnc_run_kind kind, nnc_run **run);
/* Waits for what is under way. */
NNC_API void nnc_run_free(nnc_run *run);
/* The caller's memory is read and written by every computation until another one is set. */
NNC_API nnc_status nnc_run_set_input(nnc_run *run, uint32_t index, const void *data, size_t length, nnc_order order);
NNC_API nnc_status nnc_run_set_output(nnc_run *run, uint32_t index, void *data, size_t length, nnc_order order);
NNC_API nnc_status nnc_run_compute(nnc_run *run);
/* Returns at once; every start is followed by a wait. */
NNC_API nnc_status nnc_run_start(nnc_run *run);
/* Begins when all of these sync fences are signaled; -1 stands for none. `fence`, where it is not null, gets one that
   is signaled at the end, which the caller closes, or -1. Needs feature level 4. Below 4, and for tensors that NNAPI
   does not write itself, wait before outputs are read. */
NNC_API nnc_status nnc_run_start_after(nnc_run *run, const int *fences, uint32_t count, int *fence);
NNC_API nnc_status nnc_run_wait(nnc_run *run);
/* Measure from now on how long computations take. Needs feature level 3, and one device. */
NNC_API nnc_status nnc_run_measure(nnc_run *run, bool is_measured);
/* Of the last computation, in nanoseconds; UINT64_MAX where the driver does not tell. */
NNC_API nnc_status nnc_run_duration(const nnc_run *run, uint64_t *on_hardware_ns, uint64_t *in_driver_ns);

/* A place of a program that memory is to serve. */
typedef struct nnc_role {
    const nnc_program *program;
    bool is_output;
    uint32_t index;
} nnc_role;

/* Memory of the device's own, which passes one program's output to another's input without a copy. Feature level 4. */
NNC_API nnc_status nnc_memory_create(const nnc_nnapi *nnapi, const nnc_role *roles, uint32_t count,
                                     nnc_memory **memory);
/* Memory that the app shares with devices: `length` bytes of a file or of ashmem from `offset` on, a multiple of the
   page size. */
NNC_API nnc_status nnc_memory_of_fd(const nnc_nnapi *nnapi, int descriptor, size_t offset, size_t length,
                                    nnc_memory **memory);
NNC_API void nnc_memory_free(nnc_memory *memory);
/* Feature level 4. */
NNC_API nnc_status nnc_memory_copy(const nnc_memory *from, nnc_memory *to);
/* Tensors in memory are in NNAPI's order. Offset and length are 0 for the whole of nnc_memory_create's. */
NNC_API nnc_status nnc_run_set_input_memory(nnc_run *run, uint32_t index, const nnc_memory *memory, size_t offset,
                                            size_t length);
NNC_API nnc_status nnc_run_set_output_memory(nnc_run *run, uint32_t index, const nnc_memory *memory, size_t offset,
                                             size_t length);

#ifdef __cplusplus
}
#endif

#endif

/* NNAPI's C interface. Names, numbers and types are NNAPI's own; its header says what each function promises. */

#ifndef NNAPI_CHECK_NEURAL_NETWORKS_H
#define NNAPI_CHECK_NEURAL_NETWORKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NNAPI_EXPORT __attribute__((visibility("default")))

/* Values up to this many bytes are copied by setOperandValue; larger ones stay the caller's. */
#define ANEURALNETWORKS_MAX_SIZE_OF_IMMEDIATELY_COPIED_VALUES 128
#define ANEURALNETWORKS_BYTE_SIZE_OF_CACHE_TOKEN 32

enum {
    ANEURALNETWORKS_NO_ERROR = 0,
    ANEURALNETWORKS_OUT_OF_MEMORY = 1,
    ANEURALNETWORKS_INCOMPLETE = 2,
    ANEURALNETWORKS_UNEXPECTED_NULL = 3,
    ANEURALNETWORKS_BAD_DATA = 4,
    ANEURALNETWORKS_OP_FAILED = 5,
    ANEURALNETWORKS_BAD_STATE = 6,
    ANEURALNETWORKS_UNMAPPABLE = 7,
    ANEURALNETWORKS_OUTPUT_INSUFFICIENT_SIZE = 8,
    ANEURALNETWORKS_UNAVAILABLE_DEVICE = 9,
    ANEURALNETWORKS_MISSED_DEADLINE_TRANSIENT = 10,
    ANEURALNETWORKS_MISSED_DEADLINE_PERSISTENT = 11,
    ANEURALNETWORKS_RESOURCE_EXHAUSTED_TRANSIENT = 12,
    ANEURALNETWORKS_RESOURCE_EXHAUSTED_PERSISTENT = 13,
    ANEURALNETWORKS_DEAD_OBJECT = 14,
};

enum {
    ANEURALNETWORKS_FLOAT32 = 0,
    ANEURALNETWORKS_INT32 = 1,
    ANEURALNETWORKS_UINT32 = 2,
    ANEURALNETWORKS_TENSOR_FLOAT32 = 3,
    ANEURALNETWORKS_TENSOR_INT32 = 4,
    ANEURALNETWORKS_TENSOR_QUANT8_ASYMM = 5,
    ANEURALNETWORKS_BOOL = 6,
    ANEURALNETWORKS_TENSOR_QUANT16_SYMM = 7,
    ANEURALNETWORKS_TENSOR_FLOAT16 = 8,
    ANEURALNETWORKS_TENSOR_BOOL8 = 9,
    ANEURALNETWORKS_FLOAT16 = 10,
    ANEURALNETWORKS_TENSOR_QUANT8_SYMM_PER_CHANNEL = 11,
    ANEURALNETWORKS_TENSOR_QUANT16_ASYMM = 12,
    ANEURALNETWORKS_TENSOR_QUANT8_SYMM = 13,
    ANEURALNETWORKS_TENSOR_QUANT8_ASYMM_SIGNED = 14,
    ANEURALNETWORKS_MODEL = 15,
};

enum {
    ANEURALNETWORKS_PREFER_LOW_POWER = 0,
    ANEURALNETWORKS_PREFER_FAST_SINGLE_ANSWER = 1,
    ANEURALNETWORKS_PREFER_SUSTAINED_SPEED = 2,
};

enum {
    ANEURALNETWORKS_DEVICE_UNKNOWN = 0,
    ANEURALNETWORKS_DEVICE_OTHER = 1,
    ANEURALNETWORKS_DEVICE_CPU = 2,
    ANEURALNETWORKS_DEVICE_GPU = 3,
    ANEURALNETWORKS_DEVICE_ACCELERATOR = 4,
};

enum {
    ANEURALNETWORKS_DURATION_ON_HARDWARE = 0,
    ANEURALNETWORKS_DURATION_IN_DRIVER = 1,
    ANEURALNETWORKS_FENCED_DURATION_ON_HARDWARE = 2,
    ANEURALNETWORKS_FENCED_DURATION_IN_DRIVER = 3,
};

enum {
    ANEURALNETWORKS_PRIORITY_LOW = 90,
    ANEURALNETWORKS_PRIORITY_MEDIUM = 100,
    ANEURALNETWORKS_PRIORITY_HIGH = 110,
    ANEURALNETWORKS_PRIORITY_DEFAULT = ANEURALNETWORKS_PRIORITY_MEDIUM,
};

typedef int32_t ANeuralNetworksOperationType;

typedef struct ANeuralNetworksModel ANeuralNetworksModel;
typedef struct ANeuralNetworksCompilation ANeuralNetworksCompilation;
typedef struct ANeuralNetworksExecution ANeuralNetworksExecution;
typedef struct ANeuralNetworksEvent ANeuralNetworksEvent;
typedef struct ANeuralNetworksMemory ANeuralNetworksMemory;
typedef struct ANeuralNetworksDevice ANeuralNetworksDevice;
typedef struct ANeuralNetworksBurst ANeuralNetworksBurst;
typedef struct ANeuralNetworksMemoryDesc ANeuralNetworksMemoryDesc;
typedef struct AHardwareBuffer AHardwareBuffer;

typedef struct ANeuralNetworksOperandType {
    int32_t type;
    uint32_t dimensionCount;
    const uint32_t *dimensions;
    float scale;
    int32_t zeroPoint;
} ANeuralNetworksOperandType;

typedef struct ANeuralNetworksSymmPerChannelQuantParams {
    uint32_t channelDim;
    uint32_t scaleCount;
    const float *scales;
} ANeuralNetworksSymmPerChannelQuantParams;

NNAPI_EXPORT int64_t ANeuralNetworks_getRuntimeFeatureLevel(void);
NNAPI_EXPORT uint64_t ANeuralNetworks_getDefaultLoopTimeout(void);
NNAPI_EXPORT uint64_t ANeuralNetworks_getMaximumLoopTimeout(void);
NNAPI_EXPORT int ANeuralNetworks_getDeviceCount(uint32_t *count);
NNAPI_EXPORT int ANeuralNetworks_getDevice(uint32_t index, ANeuralNetworksDevice **device);
NNAPI_EXPORT int ANeuralNetworksDevice_getName(const ANeuralNetworksDevice *device, const char **name);
NNAPI_EXPORT int ANeuralNetworksDevice_getVersion(const ANeuralNetworksDevice *device, const char **version);
NNAPI_EXPORT int ANeuralNetworksDevice_getType(const ANeuralNetworksDevice *device, int32_t *type);
NNAPI_EXPORT int ANeuralNetworksDevice_getFeatureLevel(const ANeuralNetworksDevice *device, int64_t *level);

NNAPI_EXPORT int ANeuralNetworksDevice_wait(const ANeuralNetworksDevice *device);

NNAPI_EXPORT int ANeuralNetworksMemoryDesc_create(ANeuralNetworksMemoryDesc **desc);
NNAPI_EXPORT void ANeuralNetworksMemoryDesc_free(ANeuralNetworksMemoryDesc *desc);
NNAPI_EXPORT int ANeuralNetworksMemoryDesc_addInputRole(ANeuralNetworksMemoryDesc *desc,
                                                        const ANeuralNetworksCompilation *compilation, uint32_t index,
                                                        float frequency);
NNAPI_EXPORT int ANeuralNetworksMemoryDesc_addOutputRole(ANeuralNetworksMemoryDesc *desc,
                                                         const ANeuralNetworksCompilation *compilation, uint32_t index,
                                                         float frequency);
NNAPI_EXPORT int ANeuralNetworksMemoryDesc_setDimensions(ANeuralNetworksMemoryDesc *desc, uint32_t rank,
                                                         const uint32_t *dimensions);
NNAPI_EXPORT int ANeuralNetworksMemoryDesc_finish(ANeuralNetworksMemoryDesc *desc);

NNAPI_EXPORT int ANeuralNetworksMemory_createFromDesc(const ANeuralNetworksMemoryDesc *desc,
                                                      ANeuralNetworksMemory **memory);
NNAPI_EXPORT int ANeuralNetworksMemory_createFromAHardwareBuffer(const AHardwareBuffer *buffer,
                                                                 ANeuralNetworksMemory **memory);
NNAPI_EXPORT int ANeuralNetworksMemory_copy(const ANeuralNetworksMemory *source,
                                            const ANeuralNetworksMemory *destination);
NNAPI_EXPORT int ANeuralNetworksMemory_createFromFd(size_t size, int protect, int fd, size_t offset,
                                                    ANeuralNetworksMemory **memory);
NNAPI_EXPORT void ANeuralNetworksMemory_free(ANeuralNetworksMemory *memory);

NNAPI_EXPORT int ANeuralNetworksModel_create(ANeuralNetworksModel **model);
NNAPI_EXPORT void ANeuralNetworksModel_free(ANeuralNetworksModel *model);
NNAPI_EXPORT int ANeuralNetworksModel_finish(ANeuralNetworksModel *model);
NNAPI_EXPORT int ANeuralNetworksModel_addOperand(ANeuralNetworksModel *model, const ANeuralNetworksOperandType *type);
NNAPI_EXPORT int ANeuralNetworksModel_setOperandValue(ANeuralNetworksModel *model, int32_t index, const void *buffer,
                                                      size_t length);
NNAPI_EXPORT int ANeuralNetworksModel_setOperandValueFromMemory(ANeuralNetworksModel *model, int32_t index,
                                                                const ANeuralNetworksMemory *memory, size_t offset,
                                                                size_t length);
NNAPI_EXPORT int ANeuralNetworksModel_setOperandValueFromModel(ANeuralNetworksModel *model, int32_t index,
                                                               const ANeuralNetworksModel *value);
NNAPI_EXPORT int ANeuralNetworksModel_setOperandSymmPerChannelQuantParams(
    ANeuralNetworksModel *model, int32_t index, const ANeuralNetworksSymmPerChannelQuantParams *channels);
NNAPI_EXPORT int ANeuralNetworksModel_addOperation(ANeuralNetworksModel *model, ANeuralNetworksOperationType type,
                                                   uint32_t inputCount, const uint32_t *inputs, uint32_t outputCount,
                                                   const uint32_t *outputs);
NNAPI_EXPORT int ANeuralNetworksModel_identifyInputsAndOutputs(ANeuralNetworksModel *model, uint32_t inputCount,
                                                               const uint32_t *inputs, uint32_t outputCount,
                                                               const uint32_t *outputs);
NNAPI_EXPORT int ANeuralNetworksModel_relaxComputationFloat32toFloat16(ANeuralNetworksModel *model, bool allow);
NNAPI_EXPORT int ANeuralNetworksModel_getSupportedOperationsForDevices(const ANeuralNetworksModel *model,
                                                                       const ANeuralNetworksDevice *const *devices,
                                                                       uint32_t deviceCount, bool *supported);

NNAPI_EXPORT int ANeuralNetworksCompilation_create(ANeuralNetworksModel *model,
                                                   ANeuralNetworksCompilation **compilation);
NNAPI_EXPORT int ANeuralNetworksCompilation_createForDevices(ANeuralNetworksModel *model,
                                                             const ANeuralNetworksDevice *const *devices,
                                                             uint32_t deviceCount,
                                                             ANeuralNetworksCompilation **compilation);
NNAPI_EXPORT void ANeuralNetworksCompilation_free(ANeuralNetworksCompilation *compilation);
NNAPI_EXPORT int ANeuralNetworksCompilation_setPreference(ANeuralNetworksCompilation *compilation, int32_t preference);
NNAPI_EXPORT int ANeuralNetworksCompilation_setCaching(ANeuralNetworksCompilation *compilation, const char *cacheDir,
                                                       const uint8_t *token);
NNAPI_EXPORT int ANeuralNetworksCompilation_setPriority(ANeuralNetworksCompilation *compilation, int priority);
NNAPI_EXPORT int ANeuralNetworksCompilation_setTimeout(ANeuralNetworksCompilation *compilation, uint64_t duration);
NNAPI_EXPORT int ANeuralNetworksCompilation_finish(ANeuralNetworksCompilation *compilation);
NNAPI_EXPORT int ANeuralNetworksCompilation_getPreferredMemoryAlignmentForInput(
    const ANeuralNetworksCompilation *compilation, uint32_t index, uint32_t *alignment);
NNAPI_EXPORT int ANeuralNetworksCompilation_getPreferredMemoryPaddingForInput(
    const ANeuralNetworksCompilation *compilation, uint32_t index, uint32_t *padding);
NNAPI_EXPORT int ANeuralNetworksCompilation_getPreferredMemoryAlignmentForOutput(
    const ANeuralNetworksCompilation *compilation, uint32_t index, uint32_t *alignment);
NNAPI_EXPORT int ANeuralNetworksCompilation_getPreferredMemoryPaddingForOutput(
    const ANeuralNetworksCompilation *compilation, uint32_t index, uint32_t *padding);

NNAPI_EXPORT int ANeuralNetworksBurst_create(ANeuralNetworksCompilation *compilation, ANeuralNetworksBurst **burst);
NNAPI_EXPORT void ANeuralNetworksBurst_free(ANeuralNetworksBurst *burst);

NNAPI_EXPORT int ANeuralNetworksExecution_create(ANeuralNetworksCompilation *compilation,
                                                 ANeuralNetworksExecution **execution);
NNAPI_EXPORT void ANeuralNetworksExecution_free(ANeuralNetworksExecution *execution);
NNAPI_EXPORT int ANeuralNetworksExecution_setInput(ANeuralNetworksExecution *execution, int32_t index,
                                                   const ANeuralNetworksOperandType *type, const void *buffer,
                                                   size_t length);
NNAPI_EXPORT int ANeuralNetworksExecution_setInputFromMemory(ANeuralNetworksExecution *execution, int32_t index,
                                                             const ANeuralNetworksOperandType *type,
                                                             const ANeuralNetworksMemory *memory, size_t offset,
                                                             size_t length);
NNAPI_EXPORT int ANeuralNetworksExecution_setOutput(ANeuralNetworksExecution *execution, int32_t index,
                                                    const ANeuralNetworksOperandType *type, void *buffer,
                                                    size_t length);
NNAPI_EXPORT int ANeuralNetworksExecution_setOutputFromMemory(ANeuralNetworksExecution *execution, int32_t index,
                                                              const ANeuralNetworksOperandType *type,
                                                              const ANeuralNetworksMemory *memory, size_t offset,
                                                              size_t length);
NNAPI_EXPORT int ANeuralNetworksExecution_setMeasureTiming(ANeuralNetworksExecution *execution, bool measure);
NNAPI_EXPORT int ANeuralNetworksExecution_setTimeout(ANeuralNetworksExecution *execution, uint64_t duration);
NNAPI_EXPORT int ANeuralNetworksExecution_setLoopTimeout(ANeuralNetworksExecution *execution, uint64_t duration);
NNAPI_EXPORT int ANeuralNetworksExecution_setReusable(ANeuralNetworksExecution *execution, bool reusable);
NNAPI_EXPORT int ANeuralNetworksExecution_enableInputAndOutputPadding(ANeuralNetworksExecution *execution,
                                                                      bool enable);
NNAPI_EXPORT int ANeuralNetworksExecution_getDuration(const ANeuralNetworksExecution *execution, int32_t durationCode,
                                                      uint64_t *duration);
NNAPI_EXPORT int ANeuralNetworksExecution_compute(ANeuralNetworksExecution *execution);
NNAPI_EXPORT int ANeuralNetworksExecution_burstCompute(ANeuralNetworksExecution *execution,
                                                       ANeuralNetworksBurst *burst);
NNAPI_EXPORT int ANeuralNetworksExecution_startComputeWithDependencies(ANeuralNetworksExecution *execution,
                                                                       const ANeuralNetworksEvent *const *dependencies,
                                                                       uint32_t dependencyCount, uint64_t duration,
                                                                       ANeuralNetworksEvent **event);
NNAPI_EXPORT int ANeuralNetworksExecution_startCompute(ANeuralNetworksExecution *execution,
                                                       ANeuralNetworksEvent **event);
NNAPI_EXPORT int ANeuralNetworksExecution_getOutputOperandRank(ANeuralNetworksExecution *execution, int32_t index,
                                                               uint32_t *rank);
NNAPI_EXPORT int ANeuralNetworksExecution_getOutputOperandDimensions(ANeuralNetworksExecution *execution,
                                                                     int32_t index, uint32_t *dimensions);
NNAPI_EXPORT int ANeuralNetworksEvent_createFromSyncFenceFd(int fence, ANeuralNetworksEvent **event);
NNAPI_EXPORT int ANeuralNetworksEvent_getSyncFenceFd(const ANeuralNetworksEvent *event, int *fence);
NNAPI_EXPORT int ANeuralNetworksEvent_wait(ANeuralNetworksEvent *event);
NNAPI_EXPORT void ANeuralNetworksEvent_free(ANeuralNetworksEvent *event);

#endif

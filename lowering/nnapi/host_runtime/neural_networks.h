/* The part of NNAPI's C interface that this library answers. Names, numbers and types are NNAPI's own. */

#ifndef NNAPI_CHECK_NEURAL_NETWORKS_H
#define NNAPI_CHECK_NEURAL_NETWORKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NNAPI_EXPORT __attribute__((visibility("default")))

/* Values up to this many bytes are copied by setOperandValue; larger ones stay the caller's. */
#define ANEURALNETWORKS_MAX_SIZE_OF_IMMEDIATELY_COPIED_VALUES 128

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

enum { ANEURALNETWORKS_DEVICE_CPU = 2 };

typedef int32_t ANeuralNetworksOperationType;

typedef struct ANeuralNetworksModel ANeuralNetworksModel;
typedef struct ANeuralNetworksCompilation ANeuralNetworksCompilation;
typedef struct ANeuralNetworksExecution ANeuralNetworksExecution;
typedef struct ANeuralNetworksEvent ANeuralNetworksEvent;
typedef struct ANeuralNetworksMemory ANeuralNetworksMemory;
typedef struct ANeuralNetworksDevice ANeuralNetworksDevice;

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
NNAPI_EXPORT int ANeuralNetworks_getDeviceCount(uint32_t *count);
NNAPI_EXPORT int ANeuralNetworks_getDevice(uint32_t index, ANeuralNetworksDevice **device);
NNAPI_EXPORT int ANeuralNetworksDevice_getName(const ANeuralNetworksDevice *device, const char **name);
NNAPI_EXPORT int ANeuralNetworksDevice_getVersion(const ANeuralNetworksDevice *device, const char **version);
NNAPI_EXPORT int ANeuralNetworksDevice_getType(const ANeuralNetworksDevice *device, int32_t *type);
NNAPI_EXPORT int ANeuralNetworksDevice_getFeatureLevel(const ANeuralNetworksDevice *device, int64_t *level);

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
NNAPI_EXPORT int ANeuralNetworksCompilation_finish(ANeuralNetworksCompilation *compilation);

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
NNAPI_EXPORT int ANeuralNetworksExecution_compute(ANeuralNetworksExecution *execution);
NNAPI_EXPORT int ANeuralNetworksExecution_startCompute(ANeuralNetworksExecution *execution,
                                                       ANeuralNetworksEvent **event);
NNAPI_EXPORT int ANeuralNetworksExecution_getOutputOperandRank(ANeuralNetworksExecution *execution, int32_t index,
                                                               uint32_t *rank);
NNAPI_EXPORT int ANeuralNetworksExecution_getOutputOperandDimensions(ANeuralNetworksExecution *execution,
                                                                     int32_t index, uint32_t *dimensions);
NNAPI_EXPORT int ANeuralNetworksEvent_wait(ANeuralNetworksEvent *event);
NNAPI_EXPORT void ANeuralNetworksEvent_free(ANeuralNetworksEvent *event);

#endif

// NNAPI's C interface as far as it is used here, looked up by name, so that one binary serves every Android.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "error.h"

struct ANeuralNetworksBurst;
struct ANeuralNetworksCompilation;
struct ANeuralNetworksDevice;
struct ANeuralNetworksEvent;
struct ANeuralNetworksExecution;
struct ANeuralNetworksMemory;
struct ANeuralNetworksMemoryDesc;
struct ANeuralNetworksModel;

namespace nnc {

using Burst = ANeuralNetworksBurst;
using Compilation = ANeuralNetworksCompilation;
using Device = ANeuralNetworksDevice;
using Event = ANeuralNetworksEvent;
using Execution = ANeuralNetworksExecution;
using Memory = ANeuralNetworksMemory;
using MemoryDesc = ANeuralNetworksMemoryDesc;
using Model = ANeuralNetworksModel;

struct OperandType {
    int32_t type;
    uint32_t dimension_count;
    const uint32_t *dimensions;
    float scale;
    int32_t zero_point;
};

struct ChannelQuantParams {
    uint32_t channel_dim;
    uint32_t scale_count;
    const float *scales;
};

// Feature level, result, name without its prefix, parameters.
#define NNC_NNAPI_FUNCTIONS(X)                                                                              \
    X(1, int, Memory_createFromFd, (size_t, int, int, size_t, Memory **))                                   \
    X(1, void, Memory_free, (Memory *))                                                                     \
    X(1, int, Model_create, (Model **))                                                                     \
    X(1, void, Model_free, (Model *))                                                                       \
    X(1, int, Model_finish, (Model *))                                                                      \
    X(1, int, Model_addOperand, (Model *, const OperandType *))                                             \
    X(1, int, Model_setOperandValue, (Model *, int32_t, const void *, size_t))                              \
    X(1, int, Model_setOperandValueFromMemory, (Model *, int32_t, const Memory *, size_t, size_t))          \
    X(1, int, Model_addOperation, (Model *, int32_t, uint32_t, const uint32_t *, uint32_t, const uint32_t *)) \
    X(1, int, Model_identifyInputsAndOutputs,                                                               \
      (Model *, uint32_t, const uint32_t *, uint32_t, const uint32_t *))                                    \
    X(1, int, Compilation_create, (Model *, Compilation **))                                                \
    X(1, void, Compilation_free, (Compilation *))                                                           \
    X(1, int, Compilation_setPreference, (Compilation *, int32_t))                                          \
    X(1, int, Compilation_finish, (Compilation *))                                                          \
    X(1, int, Execution_create, (Compilation *, Execution **))                                              \
    X(1, void, Execution_free, (Execution *))                                                               \
    X(1, int, Execution_setInput, (Execution *, int32_t, const OperandType *, const void *, size_t))        \
    X(1, int, Execution_setInputFromMemory,                                                                 \
      (Execution *, int32_t, const OperandType *, const Memory *, size_t, size_t))                          \
    X(1, int, Execution_setOutput, (Execution *, int32_t, const OperandType *, void *, size_t))             \
    X(1, int, Execution_setOutputFromMemory,                                                                \
      (Execution *, int32_t, const OperandType *, const Memory *, size_t, size_t))                          \
    X(1, int, Execution_startCompute, (Execution *, Event **))                                              \
    X(1, int, Event_wait, (Event *))                                                                        \
    X(1, void, Event_free, (Event *))                                                                       \
    X(2, int, Model_relaxComputationFloat32toFloat16, (Model *, bool))                                      \
    X(3, int, _getDeviceCount, (uint32_t *))                                                                \
    X(3, int, _getDevice, (uint32_t, Device **))                                                            \
    X(3, int, Device_getName, (const Device *, const char **))                                              \
    X(3, int, Device_getVersion, (const Device *, const char **))                                           \
    X(3, int, Device_getType, (const Device *, int32_t *))                                                  \
    X(3, int, Device_getFeatureLevel, (const Device *, int64_t *))                                          \
    X(3, int, Model_getSupportedOperationsForDevices, (const Model *, const Device *const *, uint32_t, bool *)) \
    X(3, int, Model_setOperandSymmPerChannelQuantParams, (Model *, int32_t, const ChannelQuantParams *))    \
    X(3, int, Compilation_createForDevices, (Model *, const Device *const *, uint32_t, Compilation **))     \
    X(3, int, Compilation_setCaching, (Compilation *, const char *, const uint8_t *))                       \
    X(3, int, Execution_compute, (Execution *))                                                             \
    X(3, int, Execution_setMeasureTiming, (Execution *, bool))                                              \
    X(3, int, Execution_getDuration, (const Execution *, int32_t, uint64_t *))                              \
    X(3, int, Execution_burstCompute, (Execution *, Burst *))                                               \
    X(3, int, Burst_create, (Compilation *, Burst **))                                                      \
    X(3, void, Burst_free, (Burst *))                                                                       \
    X(4, int, Model_setOperandValueFromModel, (Model *, int32_t, const Model *))                            \
    X(4, int, Compilation_setPriority, (Compilation *, int))                                                \
    X(4, int, Compilation_setTimeout, (Compilation *, uint64_t))                                            \
    X(4, int, Execution_setTimeout, (Execution *, uint64_t))                                                \
    X(4, int, Execution_setLoopTimeout, (Execution *, uint64_t))                                            \
    X(4, int, Execution_startComputeWithDependencies,                                                       \
      (Execution *, const Event *const *, uint32_t, uint64_t, Event **))                                    \
    X(4, int, Event_createFromSyncFenceFd, (int, Event **))                                                 \
    X(4, int, Event_getSyncFenceFd, (const Event *, int *))                                                 \
    X(4, int, MemoryDesc_create, (MemoryDesc **))                                                           \
    X(4, void, MemoryDesc_free, (MemoryDesc *))                                                             \
    X(4, int, MemoryDesc_addInputRole, (MemoryDesc *, const Compilation *, uint32_t, float))                \
    X(4, int, MemoryDesc_addOutputRole, (MemoryDesc *, const Compilation *, uint32_t, float))               \
    X(4, int, MemoryDesc_finish, (MemoryDesc *))                                                            \
    X(4, int, Memory_createFromDesc, (const MemoryDesc *, Memory **))                                       \
    X(4, int, Memory_copy, (const Memory *, const Memory *))                                                \
    X(5, int64_t, _getRuntimeFeatureLevel, ())                                                              \
    X(5, int, Execution_setReusable, (Execution *, bool))

// Functions of a level that the device does not have are null.
struct Nnapi {
#define NNC_MEMBER(level, result, name, parameters) result(*name) parameters = nullptr;
    NNC_NNAPI_FUNCTIONS(NNC_MEMBER)
#undef NNC_MEMBER

    void *library = nullptr;
    // 1 to 8. Every function of this level and those below is there.
    int32_t feature_level = 0;

    Nnapi() = default;
    Nnapi(const Nnapi &) = delete;
    Nnapi &operator=(const Nnapi &) = delete;
    ~Nnapi();
};

// Null for NNAPI's own library.
nnc_status open_nnapi(const char *library, std::shared_ptr<const Nnapi> *nnapi);

// NNAPI's number of a feature level as 1 to 8.
int32_t small_level(int64_t number);

// The Android that brought a feature level.
const char *level_words(int32_t level);

// Words for a code of NNAPI's; `what` is what was being done. NNC_OK for NO_ERROR.
nnc_status told(int code, const char *what);

// Owns an object of NNAPI's.
template <typename T>
class Handle {
  public:
    Handle() = default;
    Handle(T *object, void (*free)(T *)) : object_(object), free_(free) {}
    Handle(Handle &&other) noexcept : object_(other.object_), free_(other.free_) { other.object_ = nullptr; }
    Handle &operator=(Handle &&other) noexcept {
        if (this != &other) {
            reset();
            object_ = other.object_;
            free_ = other.free_;
            other.object_ = nullptr;
        }
        return *this;
    }
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    ~Handle() { reset(); }

    void reset() {
        if (object_ != nullptr) free_(object_);
        object_ = nullptr;
    }
    T *get() const { return object_; }
    explicit operator bool() const { return object_ != nullptr; }

  private:
    T *object_ = nullptr;
    void (*free_)(T *) = nullptr;
};

}  // namespace nnc

struct nnc_nnapi {
    std::shared_ptr<const nnc::Nnapi> functions;
};

// A libneuralnetworks.so that computes nothing, but reads every byte that it is given, for tests of who calls it.
//
// It has the functions of feature level FAKE_LEVEL. Outputs become the bytes of the first input, repeated. Whatever the
// variable FAKE_REFUSES names (such as addOperation:2 for the third operation) fails with BAD_DATA.

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr int kNoError = 0;
constexpr int kUnexpectedNull = 3;
constexpr int kBadData = 4;
constexpr int kBadState = 6;

volatile unsigned long sum;

void touch(const void *data, size_t length) {
    const auto *bytes = static_cast<const uint8_t *>(data);
    unsigned long added = 0;
    for (size_t i = 0; i < length; ++i) added += bytes[i];
    sum = sum + added;
}

int answer(const char *function, int index = -1) {
    const char *refused = std::getenv("FAKE_REFUSES");
    if (refused == nullptr) return kNoError;
    const std::string name = index < 0 ? function : std::string(function) + ":" + std::to_string(index);
    return name == refused ? kBadData : kNoError;
}

int live = 0;

}  // namespace

struct OperandType {
    int32_t type;
    uint32_t dimension_count;
    const uint32_t *dimensions;
    float scale;
    int32_t zero_point;
};

struct ANeuralNetworksMemory {
    uint8_t *data;
    size_t size;
};

struct ANeuralNetworksModel {
    uint32_t operands = 0;
    int operations = 0;
    std::vector<const ANeuralNetworksModel *> referenced;
};

struct ANeuralNetworksCompilation {
    ANeuralNetworksModel *model;
    uint32_t devices;
};

struct ANeuralNetworksExecution {
    std::vector<std::vector<uint8_t>> copies;
    std::vector<std::pair<const uint8_t *, size_t>> inputs;
    std::vector<std::pair<uint8_t *, size_t>> outputs;
    bool is_reusable = false;
    bool was_computed = false;
    bool is_measured = false;
};

struct ANeuralNetworksEvent {
    ANeuralNetworksExecution *execution;
};

struct ANeuralNetworksBurst {};
struct ANeuralNetworksDevice {
    const char *name;
    int32_t type;
};
struct ANeuralNetworksMemoryDesc {
    uint32_t roles = 0;
};

struct Channels {
    uint32_t dim;
    uint32_t count;
    const float *scales;
};

using Memory = ANeuralNetworksMemory;
using Model = ANeuralNetworksModel;
using Compilation = ANeuralNetworksCompilation;
using Execution = ANeuralNetworksExecution;
using Event = ANeuralNetworksEvent;
using Burst = ANeuralNetworksBurst;
using Device = ANeuralNetworksDevice;
using MemoryDesc = ANeuralNetworksMemoryDesc;

namespace {

[[maybe_unused]] Device devices[] = {{"fake-accelerator", 4}, {"nnapi-reference", 2}};

template <typename T>
int made(T *object, T **out) {
    ++live;
    *out = object;
    return kNoError;
}

template <typename T>
void freed(T *object) {
    if (object != nullptr) --live;
    delete object;
}

int computed(Execution *execution) {
    if (execution->was_computed && !execution->is_reusable) return kBadState;
    execution->was_computed = true;
    for (const auto &input : execution->inputs) touch(input.first, input.second);
    for (const auto &output : execution->outputs) {
        for (size_t i = 0; i < output.second; ++i) {
            const auto &first = execution->inputs.empty() ? std::make_pair<const uint8_t *, size_t>(nullptr, 0)
                                                          : execution->inputs[0];
            output.first[i] = first.second != 0 ? first.first[i % first.second] : 0;
        }
    }
    return answer("compute");
}

template <typename T>
void place(std::vector<T> *list, int32_t index, T value) {
    if (list->size() <= static_cast<size_t>(index)) list->resize(static_cast<size_t>(index) + 1);
    (*list)[static_cast<size_t>(index)] = value;
}

}  // namespace

#define API extern "C" __attribute__((visibility("default")))
#define NAME(name) ANeuralNetworks##name

API int fake_live_objects() { return live; }

API int NAME(Memory_createFromFd)(size_t size, int, int descriptor, size_t offset, Memory **memory) {
    void *data = mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, static_cast<off_t>(offset));
    if (data == MAP_FAILED) return kBadData;
    return made(new Memory{static_cast<uint8_t *>(data), size}, memory);
}
API void NAME(Memory_free)(Memory *memory) {
    if (memory != nullptr) munmap(memory->data, memory->size);
    freed(memory);
}
API int NAME(Model_create)(Model **model) { return made(new Model, model); }
API void NAME(Model_free)(Model *model) { freed(model); }
API int NAME(Model_finish)(Model *) { return answer("finish"); }
API int NAME(Model_addOperand)(Model *model, const OperandType *type) {
    touch(type->dimensions, type->dimension_count * sizeof(uint32_t));
    return answer("addOperand", static_cast<int>(model->operands++));
}
API int NAME(Model_setOperandValue)(Model *model, int32_t index, const void *data, size_t length) {
    if (static_cast<uint32_t>(index) >= model->operands || (data == nullptr && length != 0)) return kBadData;
    touch(data, length);
    return answer("setOperandValue", index);
}
API int NAME(Model_setOperandValueFromMemory)(Model *model, int32_t index, const Memory *memory, size_t offset,
                                              size_t length) {
    if (static_cast<uint32_t>(index) >= model->operands || offset > memory->size || length > memory->size - offset) {
        return kBadData;
    }
    touch(memory->data + offset, length);
    return kNoError;
}
API int NAME(Model_addOperation)(Model *model, int32_t, uint32_t input_count, const uint32_t *inputs,
                                 uint32_t output_count, const uint32_t *outputs) {
    for (uint32_t i = 0; i < input_count; ++i) {
        if (inputs[i] >= model->operands) return kBadData;
    }
    for (uint32_t i = 0; i < output_count; ++i) {
        if (outputs[i] >= model->operands) return kBadData;
    }
    return answer("addOperation", model->operations++);
}
API int NAME(Model_identifyInputsAndOutputs)(Model *, uint32_t input_count, const uint32_t *inputs,
                                             uint32_t output_count, const uint32_t *outputs) {
    touch(inputs, input_count * sizeof(uint32_t));
    touch(outputs, output_count * sizeof(uint32_t));
    return answer("identifyInputsAndOutputs");
}
API int NAME(Compilation_create)(Model *model, Compilation **compilation) {
    return made(new Compilation{model, 0}, compilation);
}
API void NAME(Compilation_free)(Compilation *compilation) { freed(compilation); }
API int NAME(Compilation_setPreference)(Compilation *, int32_t) { return kNoError; }
API int NAME(Compilation_finish)(Compilation *) { return answer("compile"); }
API int NAME(Execution_create)(Compilation *, Execution **execution) { return made(new Execution, execution); }
API void NAME(Execution_free)(Execution *execution) { freed(execution); }
API int NAME(Execution_setInput)(Execution *execution, int32_t index, const OperandType *, const void *data,
                                 size_t length) {
    if (execution->was_computed) return kBadState;
    place(&execution->inputs, index, {static_cast<const uint8_t *>(data), length});
    return answer("setInput", index);
}
API int NAME(Execution_setInputFromMemory)(Execution *execution, int32_t index, const OperandType *,
                                           const Memory *memory, size_t offset, size_t length) {
    place(&execution->inputs, index,
          {static_cast<const uint8_t *>(memory->data) + offset, length != 0 ? length : memory->size});
    return kNoError;
}
API int NAME(Execution_setOutput)(Execution *execution, int32_t index, const OperandType *, void *data, size_t length) {
    if (execution->was_computed) return kBadState;
    place(&execution->outputs, index, {static_cast<uint8_t *>(data), length});
    return answer("setOutput", index);
}
API int NAME(Execution_setOutputFromMemory)(Execution *execution, int32_t index, const OperandType *,
                                            const Memory *memory, size_t offset, size_t length) {
    place(&execution->outputs, index, {memory->data + offset, length != 0 ? length : memory->size});
    return kNoError;
}
API int NAME(Execution_startCompute)(Execution *execution, Event **event) {
    const int code = computed(execution);
    return code != kNoError ? code : made(new Event{execution}, event);
}
API int NAME(Event_wait)(Event *event) { return event == nullptr ? kUnexpectedNull : answer("wait"); }
API void NAME(Event_free)(Event *event) { freed(event); }

#if FAKE_LEVEL >= 2
API int NAME(Model_relaxComputationFloat32toFloat16)(Model *, bool) { return answer("relax"); }
#endif

#if FAKE_LEVEL >= 3
API int NAME(_getDeviceCount)(uint32_t *count) {
    *count = 2;
    return kNoError;
}
API int NAME(_getDevice)(uint32_t index, Device **device) {
    *device = &devices[index];
    return kNoError;
}
API int NAME(Device_getName)(const Device *device, const char **name) {
    *name = device->name;
    return kNoError;
}
API int NAME(Device_getVersion)(const Device *, const char **version) {
    *version = "1";
    return kNoError;
}
API int NAME(Device_getType)(const Device *device, int32_t *type) {
    *type = device->type;
    return kNoError;
}
API int NAME(Device_getFeatureLevel)(const Device *, int64_t *level) {
    *level = 26 + FAKE_LEVEL;
    return kNoError;
}
API int NAME(Model_getSupportedOperationsForDevices)(const Model *model, const Device *const *, uint32_t,
                                                     bool *supported) {
    for (int i = 0; i < model->operations; ++i) supported[i] = answer("supports", i) == kNoError;
    return kNoError;
}
API int NAME(Model_setOperandSymmPerChannelQuantParams)(Model *, int32_t, const Channels *channels) {
    touch(channels->scales, channels->count * sizeof(float));
    return answer("setChannels");
}
API int NAME(Compilation_createForDevices)(Model *model, const Device *const *, uint32_t count,
                                           Compilation **compilation) {
    return made(new Compilation{model, count}, compilation);
}
API int NAME(Compilation_setCaching)(Compilation *, const char *folder, const uint8_t *token) {
    touch(folder, std::strlen(folder));
    touch(token, 32);
    return answer("cache");
}
API int NAME(Execution_compute)(Execution *execution) { return computed(execution); }
API int NAME(Execution_setMeasureTiming)(Execution *execution, bool is_measured) {
    execution->is_measured = is_measured;
    return kNoError;
}
API int NAME(Execution_getDuration)(const Execution *execution, int32_t code, uint64_t *duration) {
    if (!execution->is_measured) return kBadState;
    *duration = 100u + static_cast<uint64_t>(code);
    return kNoError;
}
API int NAME(Execution_burstCompute)(Execution *execution, Burst *) { return computed(execution); }
API int NAME(Burst_create)(Compilation *, Burst **burst) { return made(new Burst, burst); }
API void NAME(Burst_free)(Burst *burst) { freed(burst); }
#endif

#if FAKE_LEVEL >= 4
API int NAME(Model_setOperandValueFromModel)(Model *model, int32_t, const Model *value) {
    model->referenced.push_back(value);
    return kNoError;
}
API int NAME(Compilation_setPriority)(Compilation *, int) { return answer("priority"); }
API int NAME(Compilation_setTimeout)(Compilation *compilation, uint64_t) {
    return compilation->devices == 1 ? kNoError : kBadData;
}
API int NAME(Execution_setTimeout)(Execution *, uint64_t) { return answer("timeout"); }
API int NAME(Execution_setLoopTimeout)(Execution *, uint64_t) { return answer("loopTimeout"); }
API int NAME(Execution_startComputeWithDependencies)(Execution *execution, const Event *const *events, uint32_t count,
                                                     uint64_t, Event **event) {
    for (uint32_t i = 0; i < count; ++i) touch(events[i], sizeof(Event));
    const int code = computed(execution);
    return code != kNoError ? code : made(new Event{execution}, event);
}
API int NAME(Event_createFromSyncFenceFd)(int, Event **event) { return made(new Event{nullptr}, event); }
API int NAME(Event_getSyncFenceFd)(const Event *, int *descriptor) {
    *descriptor = -1;
    return kBadData;
}
API int NAME(MemoryDesc_create)(MemoryDesc **description) { return made(new MemoryDesc, description); }
API void NAME(MemoryDesc_free)(MemoryDesc *description) { freed(description); }
API int NAME(MemoryDesc_addInputRole)(MemoryDesc *description, const Compilation *, uint32_t, float) {
    ++description->roles;
    return kNoError;
}
API int NAME(MemoryDesc_addOutputRole)(MemoryDesc *description, const Compilation *, uint32_t, float) {
    ++description->roles;
    return kNoError;
}
API int NAME(MemoryDesc_finish)(MemoryDesc *description) { return description->roles != 0 ? kNoError : kBadData; }
API int NAME(Memory_createFromDesc)(const MemoryDesc *, Memory **memory) {
    constexpr size_t kRoom = 1 << 12;
    void *data = mmap(nullptr, kRoom, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return made(new Memory{static_cast<uint8_t *>(data), kRoom}, memory);
}
API int NAME(Memory_copy)(const Memory *from, const Memory *to) {
    std::memcpy(to->data, from->data, from->size < to->size ? from->size : to->size);
    return kNoError;
}
#endif

#if FAKE_LEVEL >= 5
API int64_t NAME(_getRuntimeFeatureLevel)() { return FAKE_LEVEL > 5 ? 1000000 + FAKE_LEVEL : 31; }
API int NAME(Execution_setReusable)(Execution *execution, bool is_reusable) {
    execution->is_reusable = is_reusable;
    return kNoError;
}
#endif

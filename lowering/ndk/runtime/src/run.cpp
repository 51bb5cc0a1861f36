#include "run.h"

#include <cstring>
#include <new>

namespace nnc {
namespace {

constexpr int32_t kOnHardware = 0;
constexpr int32_t kInDriver = 1;

nnc_status lacking(const char *what, int32_t level, const Nnapi &nnapi) {
    return fail(NNC_LEVEL_TOO_LOW, "%s from feature level %d (%s) on; NNAPI here has level %d", what, level,
                level_words(level), nnapi.feature_level);
}

}  // namespace

Run::~Run() {
    if (event_) nnapi().Event_wait(event_.get());
}

nnc_status Run::open() {
    inputs_.resize(program_->inputs.size());
    outputs_.resize(program_->outputs.size());
    if (kind_ != NNC_RUN_BURST || !has(3)) return NNC_OK;
    Burst *made = nullptr;
    NNC_TRY(told(nnapi().Burst_create(program_->compilation.get(), &made), "creating a burst"));
    burst_ = Handle<Burst>(made, nnapi().Burst_free);
    return NNC_OK;
}

nnc_status Run::find(bool is_output, uint32_t index, Argument **argument) {
    std::vector<Argument> &arguments = is_output ? outputs_ : inputs_;
    if (event_) return fail(NNC_BAD_STATE, "the run is under way; wait for it first");
    if (index >= arguments.size()) {
        return fail(NNC_BAD_ARGUMENT, "there is no %s %u", is_output ? "output" : "input", index);
    }
    *argument = &arguments[index];
    return NNC_OK;
}

nnc_status Run::set_data(bool is_output, uint32_t index, void *data, size_t length, nnc_order order) {
    Argument *argument = nullptr;
    NNC_TRY(find(is_output, index, &argument));
    const Crossing &crossing = is_output ? program_->outputs[index] : program_->inputs[index];
    const char *name = crossing.tensor().name;
    if (data == nullptr) return fail(NNC_BAD_ARGUMENT, "%s: the data is null", name);
    if (order != NNC_ORDER_PYTORCH && order != NNC_ORDER_NNAPI) return fail(NNC_BAD_ARGUMENT, "%s: no such order", name);
    if (order == NNC_ORDER_NNAPI && crossing.tensor().nnapi_byte_length == 0) {
        return fail(NNC_BAD_ARGUMENT, "%s is no tensor of NNAPI's; give it in PyTorch's order", name);
    }
    if (length != crossing.length(order)) {
        return fail(NNC_BAD_ARGUMENT, "%s has %zu bytes, %zu were given", name, crossing.length(order), length);
    }
    const bool is_same = argument->state == Argument::State::kData && argument->data == data && argument->order == order;
    argument->state = Argument::State::kData;
    argument->order = order;
    argument->data = data;
    argument->memory.reset();
    argument->length = length;
    is_ready_ = is_ready_ && is_same;
    return NNC_OK;
}

nnc_status Run::set_memory(bool is_output, uint32_t index, std::shared_ptr<const SharedMemory> memory, size_t offset,
                           size_t length) {
    Argument *argument = nullptr;
    NNC_TRY(find(is_output, index, &argument));
    const Crossing &crossing = is_output ? program_->outputs[index] : program_->inputs[index];
    const char *name = crossing.tensor().name;
    if (crossing.tensor().nnapi_byte_length == 0) return fail(NNC_BAD_ARGUMENT, "%s is no tensor of NNAPI's", name);
    const bool is_whole = offset == 0 && length == 0 && memory->length == 0;
    if (!is_whole && (length != crossing.tensor().nnapi_byte_length ||
                      (memory->length != 0 && (offset > memory->length || length > memory->length - offset)))) {
        return fail(NNC_BAD_ARGUMENT, "%s has %zu bytes, which are not in the memory there", name,
                    crossing.tensor().nnapi_byte_length);
    }
    argument->state = Argument::State::kMemory;
    argument->order = NNC_ORDER_NNAPI;
    argument->data = nullptr;
    argument->memory = std::move(memory);
    argument->offset = offset;
    argument->length = length;
    is_ready_ = false;
    return NNC_OK;
}

nnc_status Run::stage(Argument *argument, size_t length) {
    if (argument->staging == nullptr) argument->staging.reset(new (std::nothrow) uint8_t[length]);
    return argument->staging != nullptr ? NNC_OK : fail(NNC_OUT_OF_MEMORY, "memory is lacking");
}

// The first output that is computed at the same place as this one.
uint32_t Run::first_of_place(uint32_t output) const {
    const auto &outputs = *described().outputs();
    const uint32_t place = outputs.Get(output)->place();
    for (uint32_t i = 0; i < output; ++i) {
        if (outputs.Get(i)->origin() == file::Origin_Computed && outputs.Get(i)->place() == place) return i;
    }
    return output;
}

// Whether NNAPI writes an output where the caller wants it.
bool Run::is_direct(uint32_t output) const {
    const Argument &argument = outputs_[output];
    if (argument.state == Argument::State::kMemory) return true;
    return argument.order == NNC_ORDER_NNAPI || !program_->outputs[output].moves();
}

nnc_status Run::set_execution_inputs() {
    for (uint32_t i = 0; i < inputs_.size(); ++i) {
        const auto place = described().inputs()->Get(i)->place();
        if (!place.has_value()) continue;
        Argument &argument = inputs_[i];
        const Crossing &crossing = program_->inputs[i];
        const auto index = static_cast<int32_t>(*place);
        if (argument.state == Argument::State::kMemory) {
            NNC_TRY(told(nnapi().Execution_setInputFromMemory(execution_.get(), index, nullptr,
                                                              argument.memory->memory.get(), argument.offset,
                                                              argument.length),
                         crossing.tensor().name));
            continue;
        }
        const void *data = argument.data;
        if (argument.order == NNC_ORDER_PYTORCH && crossing.moves()) {
            NNC_TRY(stage(&argument, crossing.tensor().nnapi_byte_length));
            data = argument.staging.get();
        }
        NNC_TRY(told(nnapi().Execution_setInput(execution_.get(), index, nullptr, data,
                                                crossing.tensor().nnapi_byte_length),
                     crossing.tensor().name));
    }
    return NNC_OK;
}

nnc_status Run::set_execution_outputs() {
    for (uint32_t i = 0; i < outputs_.size(); ++i) {
        const file::Output &output = *described().outputs()->Get(i);
        if (output.origin() != file::Origin_Computed || first_of_place(i) != i) continue;
        Argument &argument = outputs_[i];
        const nnc_tensor &tensor = program_->outputs[i].tensor();
        const auto index = static_cast<int32_t>(output.place());
        if (argument.state == Argument::State::kMemory) {
            NNC_TRY(told(nnapi().Execution_setOutputFromMemory(execution_.get(), index, nullptr,
                                                               argument.memory->memory.get(), argument.offset,
                                                               argument.length),
                         tensor.name));
            continue;
        }
        void *data = argument.data;
        if (!is_direct(i)) {
            NNC_TRY(stage(&argument, tensor.nnapi_byte_length));
            data = argument.staging.get();
        }
        NNC_TRY(told(nnapi().Execution_setOutput(execution_.get(), index, nullptr, data, tensor.nnapi_byte_length),
                     tensor.name));
    }
    return NNC_OK;
}

nnc_status Run::set_execution_limits() {
    Execution *execution = execution_.get();
    const nnc_options &options = program_->options;
    if (is_measured_) NNC_TRY(told(nnapi().Execution_setMeasureTiming(execution, true), "measuring"));
    // NNAPI takes deadlines only where one device is chosen.
    if (options.run_timeout_ns != 0 && program_->device_count == 1 && has(4)) {
        NNC_TRY(told(nnapi().Execution_setTimeout(execution, options.run_timeout_ns), "setting a deadline"));
    }
    if (options.loop_timeout_ns != 0 && has(4)) {
        NNC_TRY(told(nnapi().Execution_setLoopTimeout(execution, options.loop_timeout_ns), "limiting loops"));
    }
    if (has(5)) NNC_TRY(told(nnapi().Execution_setReusable(execution, true), "making the run one to repeat"));
    return NNC_OK;
}

nnc_status Run::create_execution() {
    Execution *made = nullptr;
    NNC_TRY(told(nnapi().Execution_create(program_->compilation.get(), &made), "creating an execution"));
    execution_ = Handle<Execution>(made, nnapi().Execution_free);
    NNC_TRY(set_execution_inputs());
    NNC_TRY(set_execution_outputs());
    return set_execution_limits();
}

nnc_status Run::prepare() {
    if (event_) return fail(NNC_BAD_STATE, "the run is under way; wait for it first");
    for (uint32_t i = 0; i < inputs_.size(); ++i) {
        if (inputs_[i].state == Argument::State::kUnset) {
            return fail(NNC_BAD_STATE, "the input %s is not set", program_->inputs[i].tensor().name);
        }
    }
    for (uint32_t i = 0; i < outputs_.size(); ++i) {
        if (outputs_[i].state == Argument::State::kUnset) {
            return fail(NNC_BAD_STATE, "the output %s is not set", program_->outputs[i].tensor().name);
        }
        const bool is_shared = described().outputs()->Get(i)->origin() == file::Origin_Computed && first_of_place(i) != i;
        const bool is_in_memory = outputs_[i].state == Argument::State::kMemory ||
                                  (is_shared && outputs_[first_of_place(i)].state == Argument::State::kMemory);
        if (is_shared && is_in_memory) {
            return fail(NNC_BAD_STATE, "%s is another output too, so it cannot be in memory",
                        program_->outputs[i].tensor().name);
        }
    }
    if (!is_ready_) {
        execution_.reset();
        NNC_TRY(create_execution());
        is_ready_ = true;
    }
    for (uint32_t i = 0; i < inputs_.size(); ++i) {
        const Argument &argument = inputs_[i];
        if (argument.staging != nullptr && argument.state == Argument::State::kData &&
            argument.order == NNC_ORDER_PYTORCH) {
            program_->inputs[i].inward(argument.data, argument.staging.get());
        }
    }
    return NNC_OK;
}

// Gives the caller what NNAPI does not write itself.
nnc_status Run::hand_out() {
    for (uint32_t i = 0; i < outputs_.size(); ++i) {
        const file::Output &output = *described().outputs()->Get(i);
        Argument &argument = outputs_[i];
        switch (output.origin()) {
            case file::Origin_Computed: {
                const uint32_t first = first_of_place(i);
                if (first == i && is_direct(i)) break;
                const Argument &source = outputs_[first];
                const void *data = is_direct(first) ? source.data : source.staging.get();
                if (argument.order == NNC_ORDER_PYTORCH) {
                    program_->outputs[i].outward(data, argument.data);
                } else {
                    std::memcpy(argument.data, data, argument.length);
                }
                break;
            }
            case file::Origin_Passed: {
                const Argument &source = inputs_[output.place()];
                if (source.state != Argument::State::kData || source.order != NNC_ORDER_PYTORCH) {
                    return fail(NNC_BAD_STATE, "%s is the input %s as it is, which must be data in PyTorch's order",
                                program_->outputs[i].tensor().name, program_->inputs[output.place()].tensor().name);
                }
                std::memmove(argument.data, source.data, argument.length);
                break;
            }
            case file::Origin_Stored:
                std::memcpy(argument.data, program_->built.file->weights + output.offset(), argument.length);
                break;
        }
    }
    return NNC_OK;
}

nnc_status Run::finish(nnc_status status) {
    was_measured_ = is_measured_ && status == NNC_OK;
    // Only what can be repeated is kept for the next time; the duration is asked of it until then.
    if (status != NNC_OK || !has(5)) is_ready_ = false;
    return status == NNC_OK ? hand_out() : status;
}

nnc_status Run::compute() {
    if (!has(3)) {
        NNC_TRY(start(nullptr, 0, nullptr));
        return wait();
    }
    NNC_TRY(prepare());
    const int code = burst_ ? nnapi().Execution_burstCompute(execution_.get(), burst_.get())
                            : nnapi().Execution_compute(execution_.get());
    return finish(told(code, "computing"));
}

nnc_status Run::begin(const int *fences, uint32_t count, int *fence) {
    Event *started = nullptr;
    if (count == 0 && fence == nullptr) {
        NNC_TRY(told(nnapi().Execution_startCompute(execution_.get(), &started), "starting to compute"));
        event_ = Handle<Event>(started, nnapi().Event_free);
        return NNC_OK;
    }
    std::vector<const Event *> events;
    for (uint32_t i = 0; i < count; ++i) {
        if (fences[i] < 0) continue;
        Event *made = nullptr;
        NNC_TRY(told(nnapi().Event_createFromSyncFenceFd(fences[i], &made), "taking a fence"));
        // NNAPI waits for an event that it frees, so these are kept until the end.
        dependencies_.emplace_back(made, nnapi().Event_free);
        events.push_back(made);
    }
    constexpr uint64_t kNoLimit = 0;
    NNC_TRY(told(nnapi().Execution_startComputeWithDependencies(execution_.get(), events.data(),
                                                                static_cast<uint32_t>(events.size()), kNoLimit,
                                                                &started),
                 "starting to compute after fences"));
    event_ = Handle<Event>(started, nnapi().Event_free);
    if (fence == nullptr) return NNC_OK;
    *fence = -1;
    int found = -1;
    // Where the driver gives no fence, NNAPI has waited already, or will in wait.
    if (nnapi().Event_getSyncFenceFd(started, &found) == 0) *fence = found;
    return NNC_OK;
}

nnc_status Run::start(const int *fences, uint32_t count, int *fence) {
    if ((count != 0 || fence != nullptr) && !has(4)) return lacking("runs wait for fences", 4, nnapi());
    if (count != 0 && fences == nullptr) return fail(NNC_BAD_ARGUMENT, "nnc_run_start_after: the fences are null");
    NNC_TRY(prepare());
    const nnc_status status = begin(fences, count, fence);
    if (status != NNC_OK) {
        is_ready_ = false;
        dependencies_.clear();
    }
    return status;
}

nnc_status Run::wait() {
    if (!event_) return fail(NNC_BAD_STATE, "the run was not started");
    const int code = nnapi().Event_wait(event_.get());
    event_.reset();
    dependencies_.clear();
    return finish(told(code, "computing"));
}

nnc_status Run::measure(bool is_measured) {
    if (event_) return fail(NNC_BAD_STATE, "the run is under way; wait for it first");
    if (!has(3)) return lacking("runs are measured", 3, nnapi());
    if (is_measured && program_->device_count != 1) {
        return fail(NNC_BAD_STATE, "a run is measured where one device was chosen for its program");
    }
    is_ready_ = is_ready_ && is_measured == is_measured_;
    is_measured_ = is_measured;
    return NNC_OK;
}

nnc_status Run::duration(uint64_t *on_hardware, uint64_t *in_driver) const {
    if (event_ || !was_measured_ || !execution_) return fail(NNC_BAD_STATE, "no run was measured");
    if (on_hardware != nullptr) {
        NNC_TRY(told(nnapi().Execution_getDuration(execution_.get(), kOnHardware, on_hardware), "asking for a duration"));
    }
    if (in_driver != nullptr) {
        NNC_TRY(told(nnapi().Execution_getDuration(execution_.get(), kInDriver, in_driver), "asking for a duration"));
    }
    return NNC_OK;
}

}  // namespace nnc

nnc_status nnc_run_create(const nnc_program *program, nnc_run_kind kind, nnc_run **run) {
    if (program == nullptr || run == nullptr) return nnc::fail(NNC_BAD_ARGUMENT, "nnc_run_create: a pointer is null");
    if (kind != NNC_RUN_PLAIN && kind != NNC_RUN_BURST) return nnc::fail(NNC_BAD_ARGUMENT, "there is no such kind of run");
    std::unique_ptr<nnc_run> made(new (std::nothrow) nnc_run{{program->program, kind}});
    if (made == nullptr) return nnc::fail(NNC_OUT_OF_MEMORY, "memory is lacking");
    NNC_TRY(made->run.open());
    *run = made.release();
    return NNC_OK;
}

void nnc_run_free(nnc_run *run) { delete run; }

namespace {

nnc_status no_run() { return nnc::fail(NNC_BAD_ARGUMENT, "the run is null"); }

}  // namespace

nnc_status nnc_run_set_input(nnc_run *run, uint32_t index, const void *data, size_t length, nnc_order order) {
    // It is only read.
    return run != nullptr ? run->run.set_data(false, index, const_cast<void *>(data), length, order) : no_run();
}

nnc_status nnc_run_set_output(nnc_run *run, uint32_t index, void *data, size_t length, nnc_order order) {
    return run != nullptr ? run->run.set_data(true, index, data, length, order) : no_run();
}

nnc_status nnc_run_set_input_memory(nnc_run *run, uint32_t index, const nnc_memory *memory, size_t offset,
                                    size_t length) {
    if (run == nullptr || memory == nullptr) return nnc::fail(NNC_BAD_ARGUMENT, "the run or the memory is null");
    return run->run.set_memory(false, index, memory->shared, offset, length);
}

nnc_status nnc_run_set_output_memory(nnc_run *run, uint32_t index, const nnc_memory *memory, size_t offset,
                                     size_t length) {
    if (run == nullptr || memory == nullptr) return nnc::fail(NNC_BAD_ARGUMENT, "the run or the memory is null");
    return run->run.set_memory(true, index, memory->shared, offset, length);
}

nnc_status nnc_run_compute(nnc_run *run) { return run != nullptr ? run->run.compute() : no_run(); }

nnc_status nnc_run_start(nnc_run *run) { return run != nullptr ? run->run.start(nullptr, 0, nullptr) : no_run(); }

nnc_status nnc_run_start_after(nnc_run *run, const int *fences, uint32_t count, int *fence) {
    return run != nullptr ? run->run.start(fences, count, fence) : no_run();
}

nnc_status nnc_run_wait(nnc_run *run) { return run != nullptr ? run->run.wait() : no_run(); }

nnc_status nnc_run_measure(nnc_run *run, bool is_measured) {
    return run != nullptr ? run->run.measure(is_measured) : no_run();
}

nnc_status nnc_run_duration(const nnc_run *run, uint64_t *on_hardware_ns, uint64_t *in_driver_ns) {
    return run != nullptr ? run->run.duration(on_hardware_ns, in_driver_ns) : no_run();
}

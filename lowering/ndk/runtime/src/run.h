// One call of a program, which can be repeated.

#pragma once

#include "memory.h"
#include "program.h"

namespace nnc {

// What the caller gave for an input or output.
struct Argument {
    enum class State { kUnset, kData, kMemory };

    State state = State::kUnset;
    nnc_order order = NNC_ORDER_PYTORCH;
    void *data = nullptr;
    std::shared_ptr<const SharedMemory> memory;
    size_t offset = 0;
    size_t length = 0;
    // What NNAPI reads or writes where the caller has it otherwise.
    std::unique_ptr<uint8_t[]> staging;
};

class Run {
  public:
    Run(std::shared_ptr<const Program> program, nnc_run_kind kind) : program_(std::move(program)), kind_(kind) {}
    ~Run();
    Run(const Run &) = delete;
    Run &operator=(const Run &) = delete;

    nnc_status open();
    nnc_status set_data(bool is_output, uint32_t index, void *data, size_t length, nnc_order order);
    nnc_status set_memory(bool is_output, uint32_t index, std::shared_ptr<const SharedMemory> memory, size_t offset,
                          size_t length);
    nnc_status compute();
    nnc_status start(const int *fences, uint32_t count, int *fence);
    nnc_status wait();
    nnc_status measure(bool is_measured);
    nnc_status duration(uint64_t *on_hardware, uint64_t *in_driver) const;

  private:
    const file::Program &described() const { return *program_->built.file->program; }
    const Nnapi &nnapi() const { return *program_->nnapi; }
    bool has(int32_t level) const { return nnapi().feature_level >= level; }

    nnc_status find(bool is_output, uint32_t index, Argument **argument);
    nnc_status prepare();
    nnc_status create_execution();
    nnc_status set_execution_inputs();
    nnc_status set_execution_outputs();
    nnc_status set_execution_limits();
    nnc_status stage(Argument *argument, size_t length);
    nnc_status begin(const int *fences, uint32_t count, int *fence);
    nnc_status finish(nnc_status status);
    nnc_status hand_out();
    bool is_direct(uint32_t output) const;
    uint32_t first_of_place(uint32_t output) const;

    std::shared_ptr<const Program> program_;
    const nnc_run_kind kind_;
    std::vector<Argument> inputs_;
    std::vector<Argument> outputs_;
    Handle<Burst> burst_;
    Handle<Execution> execution_;
    std::vector<Handle<Event>> dependencies_;
    Handle<Event> event_;
    // Whether the execution has all arguments as they are, and can compute.
    bool is_ready_ = false;
    bool is_measured_ = false;
    bool was_measured_ = false;
};

}  // namespace nnc

struct nnc_run {
    nnc::Run run;
};

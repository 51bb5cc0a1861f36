// Two layers in NNAPI, the model of a file, called by hand and through the runtime, in turns: ndk_caller model.nnc weights.raw ROUNDS CALLS.
//
// Prints, in microseconds, the first run and the median call of both, by hand first. By hand means as an app would write
// it that knows its model and its device: executions are reused where the device can.

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

#include "nnc.h"

namespace {

constexpr uint32_t kIn = 64, kInner = 128, kOut = 10;
constexpr int32_t kTensorFloat32 = 3, kInt32 = 1, kTensorInt32 = 4, kFullyConnected = 9, kReshape = 22, kSustainedSpeed = 2;

using Clock = std::chrono::steady_clock;

double microseconds(Clock::time_point start) {
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

void demand(bool is_true, const char *what) {
    if (is_true) return;
    std::fprintf(stderr, "ndk_caller: %s: %s\n", what, nnc_last_error());
    std::exit(1);
}

struct OperandType {
    int32_t type;
    uint32_t dimension_count;
    const uint32_t *dimensions;
    float scale;
    int32_t zero_point;
};

template <typename Function>
Function look_up(void *library, const char *name) {
    return reinterpret_cast<Function>(dlsym(library, name));
}

using Pointer = void *;

class ByHand {
  public:
    ByHand(const std::vector<float> &weights, const float *x, float *y) : x_(x), y_(y) {
        library_ = dlopen("libneuralnetworks.so", RTLD_NOW | RTLD_LOCAL);
        demand(library_ != nullptr, "NNAPI is not there");
        const auto create_model = look_up<int (*)(Pointer *)>(library_, "ANeuralNetworksModel_create");
        const auto add_operand =
            look_up<int (*)(Pointer, const OperandType *)>(library_, "ANeuralNetworksModel_addOperand");
        const auto set_value = look_up<int (*)(Pointer, int32_t, const void *, size_t)>(
            library_, "ANeuralNetworksModel_setOperandValue");
        const auto add_operation =
            look_up<int (*)(Pointer, int32_t, uint32_t, const uint32_t *, uint32_t, const uint32_t *)>(
                library_, "ANeuralNetworksModel_addOperation");
        const auto identify = look_up<int (*)(Pointer, uint32_t, const uint32_t *, uint32_t, const uint32_t *)>(
            library_, "ANeuralNetworksModel_identifyInputsAndOutputs");
        const auto finish_model = look_up<int (*)(Pointer)>(library_, "ANeuralNetworksModel_finish");
        const auto create_compilation =
            look_up<int (*)(Pointer, Pointer *)>(library_, "ANeuralNetworksCompilation_create");
        const auto set_preference =
            look_up<int (*)(Pointer, int32_t)>(library_, "ANeuralNetworksCompilation_setPreference");
        const auto finish_compilation = look_up<int (*)(Pointer)>(library_, "ANeuralNetworksCompilation_finish");
        create_ = look_up<int (*)(Pointer, Pointer *)>(library_, "ANeuralNetworksExecution_create");
        free_ = look_up<void (*)(Pointer)>(library_, "ANeuralNetworksExecution_free");
        set_input_ = look_up<int (*)(Pointer, int32_t, const OperandType *, const void *, size_t)>(
            library_, "ANeuralNetworksExecution_setInput");
        set_output_ = look_up<int (*)(Pointer, int32_t, const OperandType *, void *, size_t)>(
            library_, "ANeuralNetworksExecution_setOutput");
        compute_ = look_up<int (*)(Pointer)>(library_, "ANeuralNetworksExecution_compute");
        set_reusable_ = look_up<int (*)(Pointer, bool)>(library_, "ANeuralNetworksExecution_setReusable");

        demand(create_model(&model_) == 0, "creating the model");
        // Weights and biases of both layers, then x, its rows, what is inside, its rows, and y.
        const uint32_t shapes[][2] = {{kInner, kIn}, {kInner, 0}, {kOut, kInner}, {kOut, 0}, {1, kIn},
                                      {1, kIn},      {1, kInner}, {1, kInner},    {1, kOut}};
        for (const auto &shape : shapes) {
            const OperandType type{kTensorFloat32, shape[1] != 0 ? 2u : 1u, shape, 0.0f, 0};
            demand(add_operand(model_, &type) == 0, "adding an operand");
        }
        const OperandType scalar{kInt32, 0, nullptr, 0.0f, 0};
        for (int i = 0; i < 2; ++i) demand(add_operand(model_, &scalar) == 0, "adding an operand");
        const uint32_t two = 2;
        const OperandType shape_of_rows{kTensorInt32, 1, &two, 0.0f, 0};
        for (int i = 0; i < 2; ++i) demand(add_operand(model_, &shape_of_rows) == 0, "adding an operand");
        const float *at = weights.data();
        const size_t counts[] = {kInner * kIn, kInner, kOut * kInner, kOut};
        for (int32_t i = 0; i < 4; ++i) {
            demand(set_value(model_, i, at, counts[i] * sizeof(float)) == 0, "setting a weight");
            at += counts[i];
        }
        const int32_t relu = 1, none = 0, rows[][2] = {{1, kIn}, {1, kInner}};
        demand(set_value(model_, 9, &relu, 4) == 0 && set_value(model_, 10, &none, 4) == 0, "setting a number");
        demand(set_value(model_, 11, rows[0], 8) == 0 && set_value(model_, 12, rows[1], 8) == 0, "setting a shape");
        const uint32_t of_x[] = {4, 11}, first[] = {5, 0, 1, 9}, of_inner[] = {6, 12}, second[] = {7, 2, 3, 10};
        const uint32_t made[] = {5, 6, 7, 8}, input = 4, output = 8;
        demand(add_operation(model_, kReshape, 2, of_x, 1, &made[0]) == 0, "adding an operation");
        demand(add_operation(model_, kFullyConnected, 4, first, 1, &made[1]) == 0, "adding an operation");
        demand(add_operation(model_, kReshape, 2, of_inner, 1, &made[2]) == 0, "adding an operation");
        demand(add_operation(model_, kFullyConnected, 4, second, 1, &made[3]) == 0, "adding an operation");
        demand(identify(model_, 1, &input, 1, &output) == 0 && finish_model(model_) == 0, "finishing the model");
        demand(create_compilation(model_, &compilation_) == 0, "creating the compilation");
        demand(set_preference(compilation_, kSustainedSpeed) == 0 && finish_compilation(compilation_) == 0, "compiling");
        if (set_reusable_ != nullptr) {
            kept_ = execution();
            demand(set_reusable_(kept_, true) == 0, "making the execution reusable");
        }
    }

    void compute() {
        Pointer running = kept_ != nullptr ? kept_ : execution();
        demand(compute_(running) == 0, "computing");
        if (kept_ == nullptr) free_(running);
    }

  private:
    Pointer execution() {
        Pointer made = nullptr;
        demand(create_(compilation_, &made) == 0, "creating an execution");
        demand(set_input_(made, 0, nullptr, x_, kIn * sizeof(float)) == 0, "setting the input");
        demand(set_output_(made, 0, nullptr, y_, kOut * sizeof(float)) == 0, "setting the output");
        return made;
    }

    const float *x_;
    float *y_;
    void *library_ = nullptr;
    Pointer model_ = nullptr, compilation_ = nullptr, kept_ = nullptr;
    int (*create_)(Pointer, Pointer *) = nullptr;
    void (*free_)(Pointer) = nullptr;
    int (*set_input_)(Pointer, int32_t, const OperandType *, const void *, size_t) = nullptr;
    int (*set_output_)(Pointer, int32_t, const OperandType *, void *, size_t) = nullptr;
    int (*compute_)(Pointer) = nullptr;
    int (*set_reusable_)(Pointer, bool) = nullptr;
};

class ByRuntime {
  public:
    ByRuntime(const char *path, const float *x, float *y) {
        demand(nnc_nnapi_open(nullptr, &nnapi_) == NNC_OK, "opening NNAPI");
        demand(nnc_model_open(path, &model_) == NNC_OK, "opening the model");
        demand(nnc_program_create(nnapi_, model_, nullptr, &program_) == NNC_OK, "compiling");
        demand(nnc_run_create(program_, NNC_RUN_PLAIN, &run_) == NNC_OK, "creating a run");
        demand(nnc_run_set_input(run_, 0, x, kIn * sizeof(float), NNC_ORDER_PYTORCH) == NNC_OK, "setting the input");
        demand(nnc_run_set_output(run_, 0, y, kOut * sizeof(float), NNC_ORDER_PYTORCH) == NNC_OK, "setting the output");
    }

    void compute() { demand(nnc_run_compute(run_) == NNC_OK, "computing"); }

  private:
    nnc_nnapi *nnapi_ = nullptr;
    nnc_model *model_ = nullptr;
    nnc_program *program_ = nullptr;
    nnc_run *run_ = nullptr;
};

template <typename Caller>
double time_of(Caller *caller, long calls) {
    const Clock::time_point start = Clock::now();
    for (long i = 0; i < calls; ++i) caller->compute();
    return microseconds(start) / static_cast<double>(calls);
}

double median(std::vector<double> *times) {
    std::sort(times->begin(), times->end());
    return (*times)[times->size() / 2];
}

}  // namespace

int main(int count, char **words) {
    if (count != 5) return 2;
    std::ifstream file(words[2], std::ios::binary);
    const std::vector<char> raw((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const auto *numbers = reinterpret_cast<const float *>(raw.data());
    const std::vector<float> weights(numbers, numbers + raw.size() / sizeof(float));
    float x[kIn], y[kOut] = {}, z[kOut] = {};
    for (uint32_t i = 0; i < kIn; ++i) x[i] = 0.01f * static_cast<float>(i) - 0.3f;

    Clock::time_point start = Clock::now();
    ByHand by_hand(weights, x, y);
    by_hand.compute();
    const double first_by_hand = microseconds(start);
    start = Clock::now();
    ByRuntime by_runtime(words[1], x, z);
    by_runtime.compute();
    const double first_by_runtime = microseconds(start);
    demand(std::equal(y, y + kOut, z), "both give the same numbers");

    std::vector<double> hand, runtime;
    for (long round = std::atol(words[3]); round > 0; --round) {
        hand.push_back(time_of(&by_hand, std::atol(words[4])));
        runtime.push_back(time_of(&by_runtime, std::atol(words[4])));
    }
    std::printf("%.1f %.1f %.3f %.3f\n", first_by_hand, first_by_runtime, median(&hand), median(&runtime));
    return 0;
}

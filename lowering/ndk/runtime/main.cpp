// Runs a model file once, or several times, on raw tensors:
//
//     run_model model.nnc [--times N] [--device NAME] [--burst] [--cache DIR] input.raw... [-- output.raw...]
//
// A raw file holds a tensor's elements as PyTorch's contiguous tensor has them. Without inputs, all elements are 0.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "nnc.h"

namespace {

using Bytes = std::vector<char>;

[[noreturn]] void die(const std::string &what) {
    std::fprintf(stderr, "run_model: %s\n", what.c_str());
    std::exit(1);
}

void check(nnc_status status) {
    if (status != NNC_OK) die(nnc_last_error());
}

struct Arguments {
    std::string model;
    std::vector<std::string> inputs;
    std::vector<std::string> outputs;
    std::string device;
    std::string cache;
    long times = 1;
    bool is_burst = false;
};

Arguments read_arguments(int count, char **words) {
    Arguments found;
    bool is_output = false;
    for (int i = 1; i < count; ++i) {
        const std::string word = words[i];
        const auto value = [&]() -> std::string {
            if (i + 1 >= count) die(word + " needs a value");
            return words[++i];
        };
        if (word == "--") {
            is_output = true;
        } else if (word == "--times") {
            found.times = std::atol(value().c_str());
        } else if (word == "--device") {
            found.device = value();
        } else if (word == "--cache") {
            found.cache = value();
        } else if (word == "--burst") {
            found.is_burst = true;
        } else if (!is_output && word.compare(0, 2, "--") == 0) {
            die(word + " is no option");
        } else if (found.model.empty()) {
            found.model = word;
        } else {
            (is_output ? found.outputs : found.inputs).push_back(word);
        }
    }
    if (found.model.empty() || found.times < 1) die("call it as run_model model.nnc [input.raw...] [-- output.raw...]");
    return found;
}

// Files are given for all tensors of a kind, or for none.
void check_count(const char *what, size_t given, uint32_t wanted) {
    if (given != 0 && given != wanted) {
        die(std::string("files of ") + what + ": wanted " + std::to_string(wanted) + ", given " + std::to_string(given));
    }
}

Bytes read_file(const std::string &path, size_t length) {
    std::ifstream file(path, std::ios::binary);
    if (!file) die(path + " cannot be read");
    Bytes bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (bytes.size() != length) {
        die(path + " has " + std::to_string(bytes.size()) + " bytes, the input has " + std::to_string(length));
    }
    return bytes;
}

void write_file(const std::string &path, const Bytes &bytes) {
    std::ofstream file(path, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) die(path + " cannot be written");
}

void describe(const char *what, const nnc_tensor &tensor) {
    constexpr const char *kElements[] = {"float32", "float16", "int64", "int32", "bool", "quint8", "qint8"};
    std::printf("%s %s: %s[", what, tensor.name, kElements[tensor.element]);
    for (uint32_t i = 0; i < tensor.rank; ++i) std::printf(i == 0 ? "%u" : ",%u", tensor.shape[i]);
    std::printf("], %zu bytes\n", tensor.byte_length);
}

template <typename T>
using Owned = std::unique_ptr<T, void (*)(T *)>;

}  // namespace

int main(int count, char **words) {
    const Arguments arguments = read_arguments(count, words);

    nnc_nnapi *opened = nullptr;
    check(nnc_nnapi_open(nullptr, &opened));
    const Owned<nnc_nnapi> nnapi(opened, nnc_nnapi_free);
    std::printf("NNAPI has feature level %d\n", nnc_nnapi_feature_level(nnapi.get()));
    for (uint32_t i = 0; i < nnc_nnapi_device_count(nnapi.get()); ++i) {
        nnc_device device;
        check(nnc_nnapi_device(nnapi.get(), i, &device));
        std::printf("device %s, version %s, feature level %d\n", device.name, device.version, device.feature_level);
    }

    nnc_model *read = nullptr;
    check(nnc_model_open(arguments.model.c_str(), &read));
    const Owned<nnc_model> model(read, nnc_model_free);
    check(nnc_model_check_weights(model.get()));

    const uint32_t input_count = nnc_model_input_count(model.get()), output_count = nnc_model_output_count(model.get());
    check_count("inputs", arguments.inputs.size(), input_count);
    check_count("outputs", arguments.outputs.size(), output_count);

    nnc_options options = nnc_default_options();
    if (!arguments.device.empty()) options.device_name = arguments.device.c_str();
    if (!arguments.cache.empty()) options.cache_directory = arguments.cache.c_str();
    nnc_program *compiled = nullptr;
    check(nnc_program_create(nnapi.get(), model.get(), &options, &compiled));
    const Owned<nnc_program> program(compiled, nnc_program_free);

    nnc_run *created = nullptr;
    check(nnc_run_create(program.get(), arguments.is_burst ? NNC_RUN_BURST : NNC_RUN_PLAIN, &created));
    const Owned<nnc_run> run(created, nnc_run_free);

    std::vector<Bytes> inputs, outputs;
    for (uint32_t i = 0; i < input_count; ++i) {
        nnc_tensor tensor;
        check(nnc_model_input(model.get(), i, &tensor));
        describe("input", tensor);
        inputs.push_back(arguments.inputs.empty() ? Bytes(tensor.byte_length)
                                                  : read_file(arguments.inputs[i], tensor.byte_length));
        check(nnc_run_set_input(run.get(), i, inputs.back().data(), inputs.back().size(), NNC_ORDER_PYTORCH));
    }
    for (uint32_t i = 0; i < output_count; ++i) {
        nnc_tensor tensor;
        check(nnc_model_output(model.get(), i, &tensor));
        describe("output", tensor);
        outputs.emplace_back(tensor.byte_length);
        check(nnc_run_set_output(run.get(), i, outputs.back().data(), outputs.back().size(), NNC_ORDER_PYTORCH));
    }

    using Clock = std::chrono::steady_clock;
    for (long i = 0; i < arguments.times; ++i) {
        const Clock::time_point start = Clock::now();
        check(nnc_run_compute(run.get()));
        const std::chrono::duration<double, std::milli> took = Clock::now() - start;
        std::printf("computed in %.3f ms\n", took.count());
    }
    for (size_t i = 0; i < arguments.outputs.size(); ++i) {
        write_file(arguments.outputs[i], outputs[i]);
    }
    return 0;
}

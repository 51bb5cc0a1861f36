// Opens mutated copies of a model file, and builds and runs what is taken: fuzz_reader FILE COUNT SEED [LIBRARY].
//
// Checksums are made to fit, so that what is tried is everything behind them. The sanitizers say what is wrong.

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "nnc.h"

namespace {

using Bytes = std::vector<uint8_t>;
using Random = std::mt19937_64;

uint32_t crc32(const uint8_t *data, size_t length) {
    uint32_t crc = ~0u;
    for (size_t i = 0; i < length; ++i) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0u);
    }
    return ~crc;
}

uint64_t number_at(const Bytes &bytes, size_t offset) {
    uint64_t number = 0;
    std::memcpy(&number, bytes.data() + offset, sizeof number);
    return number;
}

void seal(Bytes *bytes) {
    const uint64_t start = number_at(*bytes, 16), length = number_at(*bytes, 24);
    if (start <= bytes->size() && length <= bytes->size() - start) {
        const uint32_t crc = crc32(bytes->data() + start, length);
        std::memcpy(bytes->data() + 48, &crc, sizeof crc);
    }
    const uint32_t crc = crc32(bytes->data(), 124);
    std::memcpy(bytes->data() + 124, &crc, sizeof crc);
}

void mutate(Bytes *bytes, Random *random) {
    constexpr uint8_t kEdges[] = {0, 1, 2, 0x7F, 0x80, 0xFF};
    const uint64_t start = number_at(*bytes, 16), length = number_at(*bytes, 24);
    const uint64_t count = 1 + (*random)() % 4;
    for (uint64_t i = 0; i < count; ++i) {
        const bool is_header = (*random)() % 16 == 0;
        const uint64_t place = is_header ? 8 + (*random)() % 48 : start + (*random)() % length;
        switch ((*random)() % 4) {
            case 0: (*bytes)[place] = kEdges[(*random)() % sizeof kEdges]; break;
            case 1: (*bytes)[place] ^= static_cast<uint8_t>(1u << ((*random)() % 8)); break;
            case 2: (*bytes)[place] = static_cast<uint8_t>((*random)()); break;
            default: {
                const uint64_t source = start + (*random)() % length;
                for (uint64_t k = 0; k < 4 && place + k < start + length && source + k < start + length; ++k) {
                    (*bytes)[place + k] = (*bytes)[source + k];
                }
            }
        }
    }
    if ((*random)() % 32 == 0) bytes->resize(128 + (*random)() % (bytes->size() - 128));
    seal(bytes);
}

void run(const nnc_nnapi *nnapi, const nnc_model *model) {
    nnc_program *program = nullptr;
    if (nnc_program_create(nnapi, model, nullptr, &program) != NNC_OK) return;
    nnc_run *run = nullptr;
    if (nnc_run_create(program, NNC_RUN_PLAIN, &run) == NNC_OK) {
        std::vector<Bytes> kept;
        for (int side = 0; side < 2; ++side) {
            const uint32_t count = side == 0 ? nnc_model_input_count(model) : nnc_model_output_count(model);
            for (uint32_t i = 0; i < count; ++i) {
                nnc_tensor tensor;
                const bool is_there = (side == 0 ? nnc_model_input : nnc_model_output)(model, i, &tensor) == NNC_OK;
                if (!is_there || tensor.byte_length > (1u << 24)) continue;
                kept.emplace_back(tensor.byte_length);
                if (side == 0) nnc_run_set_input(run, i, kept.back().data(), kept.back().size(), NNC_ORDER_PYTORCH);
                else nnc_run_set_output(run, i, kept.back().data(), kept.back().size(), NNC_ORDER_PYTORCH);
            }
        }
        nnc_run_compute(run);
    }
    nnc_run_free(run);
    nnc_program_free(program);
}

}  // namespace

int main(int count, char **words) {
    if (count < 4) return 2;
    std::ifstream file(words[1], std::ios::binary);
    const Bytes original((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    Random random(std::strtoull(words[3], nullptr, 10));
    nnc_nnapi *nnapi = nullptr;
    if (count > 4 && nnc_nnapi_open(words[4], &nnapi) != NNC_OK) return 2;
    long taken = 0;
    const long wanted = std::atol(words[2]);
    for (long i = 0; i < wanted; ++i) {
        Bytes bytes = original;
        mutate(&bytes, &random);
        const int descriptor = memfd_create("model", 0);
        if (write(descriptor, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return 2;
        nnc_model *model = nullptr;
        if (nnc_model_open_fd(descriptor, 0, -1, &model) == NNC_OK) {
            ++taken;
            nnc_model_check_weights(model);
            if (nnapi != nullptr) run(nnapi, model);
        }
        nnc_model_free(model);
        close(descriptor);
    }
    nnc_nnapi_free(nnapi);
    std::printf("%ld of %ld were taken\n", taken, wanted);
    return 0;
}

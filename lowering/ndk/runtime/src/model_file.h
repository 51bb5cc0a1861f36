// A model file: mapped into memory, and held to its format before anything in it is used.

#pragma once

#include <cstdint>
#include <memory>

#include "error.h"
#include "model_file_generated.h"

namespace nnc {

// A mapping of part of a file, whose descriptor stays open for NNAPI to map it too.
class Mapping {
  public:
    static nnc_status open(const char *path, Mapping *mapping);
    // Duplicates the descriptor. A negative length reaches to the file's end.
    static nnc_status open(int descriptor, int64_t offset, int64_t length, Mapping *mapping);

    Mapping() = default;
    Mapping(Mapping &&other) noexcept;
    Mapping &operator=(Mapping &&other) noexcept;
    Mapping(const Mapping &) = delete;
    Mapping &operator=(const Mapping &) = delete;
    ~Mapping();

    const uint8_t *data() const { return start_ + lead_; }
    size_t size() const { return length_ - lead_; }
    int descriptor() const { return descriptor_; }
    // What was mapped: from `file_offset` on, a multiple of the page size, `lead` bytes before the data.
    size_t file_offset() const { return file_offset_; }
    size_t mapped_length() const { return length_; }
    size_t lead() const { return lead_; }

  private:
    nnc_status map(int64_t offset, int64_t length);

    int descriptor_ = -1;
    const uint8_t *start_ = nullptr;
    size_t length_ = 0;
    size_t lead_ = 0;
    size_t file_offset_ = 0;
};

// A file whose structure was verified. The structure is a copy, so that a file that is changed meanwhile does no harm;
// weights are read where they lie.
struct ModelFile {
    Mapping mapping;
    std::unique_ptr<uint8_t[]> structure;
    const file::Program *program = nullptr;
    const uint8_t *weights = nullptr;
    uint64_t weights_length = 0;
    uint32_t weights_crc = 0;
    // Of all that is in the file.
    uint8_t digest[32] = {};

    const file::Model &main() const { return *program->models()->Get(0); }
};

nnc_status open_model_file(Mapping mapping, std::shared_ptr<const ModelFile> *file);

uint32_t crc32(const uint8_t *data, uint64_t length);

// Whether everything in a structure fits together: check.cpp.
nnc_status check_program(const file::Program &program, uint64_t structure_length, uint64_t weights_length);

}  // namespace nnc

struct nnc_model {
    std::shared_ptr<const nnc::ModelFile> file;
};

#include "model_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>

namespace nnc {
namespace {

constexpr char kMagic[8] = {'N', 'N', 'C', 'M', 'O', 'D', 'E', 'L'};
constexpr uint32_t kVersion = 1;
constexpr uint64_t kAlignment = 64;
constexpr size_t kHeaderLength = 128;
constexpr size_t kHeaderChecked = 124;

// FlatBuffers' verifier walks no deeper than a model can need, and to no more tables than have room.
constexpr uint32_t kMaxDepth = 16;
constexpr uint64_t kLeastTable = 4;

constexpr std::array<uint32_t, 256> crc_table() {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0u);
        table[i] = crc;
    }
    return table;
}

template <typename T>
T little_endian(const uint8_t *at) {
    T value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(at[i]) << (8 * i);
    return value;
}

nnc_status bad(const char *reason) { return fail(NNC_BAD_FILE, "the model file is damaged: %s", reason); }

struct Region {
    uint64_t offset;
    uint64_t length;

    bool is_in(uint64_t size) const {
        return offset >= kHeaderLength && offset % kAlignment == 0 && offset <= size && length <= size - offset;
    }
};

}  // namespace

uint32_t crc32(const uint8_t *data, uint64_t length) {
    static constexpr std::array<uint32_t, 256> kTable = crc_table();
    uint32_t crc = 0xFFFFFFFFu;
    for (uint64_t i = 0; i < length; ++i) crc = (crc >> 8) ^ kTable[(crc ^ data[i]) & 0xFF];
    return ~crc;
}

Mapping::Mapping(Mapping &&other) noexcept { *this = std::move(other); }

Mapping &Mapping::operator=(Mapping &&other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(start_, other.start_);
    std::swap(length_, other.length_);
    std::swap(lead_, other.lead_);
    std::swap(file_offset_, other.file_offset_);
    return *this;
}

Mapping::~Mapping() {
    if (start_ != nullptr) munmap(const_cast<uint8_t *>(start_), length_);
    if (descriptor_ >= 0) close(descriptor_);
}

nnc_status Mapping::open(const char *path, Mapping *mapping) {
    Mapping made;
    made.descriptor_ = ::open(path, O_RDONLY | O_CLOEXEC);
    if (made.descriptor_ < 0) return fail(NNC_CANNOT_READ, "%s cannot be opened: %s", path, std::strerror(errno));
    NNC_TRY(made.map(0, -1));
    *mapping = std::move(made);
    return NNC_OK;
}

nnc_status Mapping::open(int descriptor, int64_t offset, int64_t length, Mapping *mapping) {
    Mapping made;
    made.descriptor_ = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (made.descriptor_ < 0) return fail(NNC_CANNOT_READ, "the descriptor is of no open file");
    NNC_TRY(made.map(offset, length));
    *mapping = std::move(made);
    return NNC_OK;
}

nnc_status Mapping::map(int64_t offset, int64_t length) {
    struct stat found;
    if (fstat(descriptor_, &found) != 0) return fail(NNC_CANNOT_READ, "the file is not there: %s", std::strerror(errno));
    if (!S_ISREG(found.st_mode)) return fail(NNC_CANNOT_READ, "what is to be read is no file");
    if (offset < 0 || offset > found.st_size) return fail(NNC_BAD_ARGUMENT, "the file ends before the offset");
    const int64_t rest = found.st_size - offset;
    if (length > rest) return fail(NNC_BAD_ARGUMENT, "the file ends before the length");
    const uint64_t wanted = static_cast<uint64_t>(length < 0 ? rest : length);
    if (wanted < kHeaderLength) return fail(NNC_BAD_FILE, "the file is too short for a model file");
    const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    const uint64_t lead = static_cast<uint64_t>(offset) % page;
    if (wanted > SIZE_MAX - lead) return fail(NNC_CANNOT_READ, "the file is larger than what can be mapped");
    file_offset_ = static_cast<size_t>(static_cast<uint64_t>(offset) - lead);
    lead_ = static_cast<size_t>(lead);
    length_ = static_cast<size_t>(wanted + lead);
    void *start = mmap(nullptr, length_, PROT_READ, MAP_SHARED, descriptor_, static_cast<off_t>(file_offset_));
    if (start == MAP_FAILED) return fail(NNC_CANNOT_READ, "the file cannot be mapped: %s", std::strerror(errno));
    start_ = static_cast<const uint8_t *>(start);
    return NNC_OK;
}

nnc_status open_model_file(Mapping mapping, std::shared_ptr<const ModelFile> *file) {
    const uint8_t *data = mapping.data();
    if (std::memcmp(data, kMagic, sizeof kMagic) != 0) return fail(NNC_BAD_FILE, "the file is no model file");
    const uint32_t version = little_endian<uint32_t>(data + 8);
    if (version != kVersion) {
        return fail(NNC_BAD_FILE, "the model file has version %u, this runtime reads version %u", version, kVersion);
    }
    if (little_endian<uint32_t>(data + kHeaderChecked) != crc32(data, kHeaderChecked)) {
        return bad("its header does not have its checksum");
    }
    const Region structure{little_endian<uint64_t>(data + 16), little_endian<uint64_t>(data + 24)};
    const Region weights{little_endian<uint64_t>(data + 32), little_endian<uint64_t>(data + 40)};
    const uint64_t size = mapping.size();
    if (!structure.is_in(size) || !weights.is_in(size)) return bad("a region does not lie in the file");
    if (structure.offset + structure.length > weights.offset) return bad("its regions lie in each other");
    if (weights.offset + weights.length != size) return bad("it does not end where its weights do");

    const std::shared_ptr<ModelFile> made(new (std::nothrow) ModelFile);
    // FlatBuffers reads what is aligned, which a mapped asset need not be.
    std::unique_ptr<uint8_t[]> copy(new (std::nothrow) uint8_t[structure.length + 1]);
    if (made == nullptr || copy == nullptr) return fail(NNC_OUT_OF_MEMORY, "memory is lacking");
    std::memcpy(copy.get(), data + structure.offset, structure.length);
    if (little_endian<uint32_t>(data + 48) != crc32(copy.get(), structure.length)) {
        return bad("its structure does not have its checksum");
    }
    const uint64_t tables = std::min<uint64_t>(structure.length / kLeastTable, UINT32_MAX);
    flatbuffers::Verifier verifier(copy.get(), structure.length, kMaxDepth, static_cast<uint32_t>(tables));
    if (!file::VerifyProgramBuffer(verifier)) return bad("its structure does not hold together");
    made->program = file::GetProgram(copy.get());
    NNC_TRY(check_program(*made->program, structure.length, weights.length));
    made->structure = std::move(copy);
    made->weights = data + weights.offset;
    made->weights_length = weights.length;
    made->weights_crc = little_endian<uint32_t>(data + 52);
    std::memcpy(made->digest, data + 64, sizeof made->digest);
    made->mapping = std::move(mapping);
    *file = made;
    return NNC_OK;
}

namespace {

nnc_status opened(Mapping mapping, nnc_model **model) {
    std::shared_ptr<const ModelFile> file;
    NNC_TRY(open_model_file(std::move(mapping), &file));
    auto *made = new (std::nothrow) nnc_model{file};
    if (made == nullptr) return fail(NNC_OUT_OF_MEMORY, "memory is lacking");
    *model = made;
    return NNC_OK;
}

}  // namespace
}  // namespace nnc

nnc_status nnc_model_open(const char *path, nnc_model **model) {
    if (path == nullptr || model == nullptr) return nnc::fail(NNC_BAD_ARGUMENT, "nnc_model_open: a pointer is null");
    nnc::Mapping mapping;
    NNC_TRY(nnc::Mapping::open(path, &mapping));
    return nnc::opened(std::move(mapping), model);
}

nnc_status nnc_model_open_fd(int descriptor, int64_t offset, int64_t length, nnc_model **model) {
    if (model == nullptr) return nnc::fail(NNC_BAD_ARGUMENT, "nnc_model_open_fd: a pointer is null");
    nnc::Mapping mapping;
    NNC_TRY(nnc::Mapping::open(descriptor, offset, length, &mapping));
    return nnc::opened(std::move(mapping), model);
}

void nnc_model_free(nnc_model *model) { delete model; }

nnc_status nnc_model_check_weights(const nnc_model *model) {
    if (model == nullptr) return nnc::fail(NNC_BAD_ARGUMENT, "nnc_model_check_weights: the model is null");
    const nnc::ModelFile &file = *model->file;
    if (nnc::crc32(file.weights, file.weights_length) != file.weights_crc) {
        return nnc::fail(NNC_BAD_FILE, "the model file is damaged: its weights do not have their checksum");
    }
    return NNC_OK;
}

int32_t nnc_model_feature_level(const nnc_model *model) {
    return model != nullptr ? static_cast<int32_t>(model->file->program->feature_level()) : 0;
}

#include "crossing.h"

#include <cstring>

#include "operand_types.h"

namespace nnc {
namespace {

static_assert(static_cast<int>(NNC_QINT8) == static_cast<int>(file::Element_QInt8), "elements are numbered alike");

struct SameBytes {
    template <typename T>
    static T in(T element) { return element; }
    template <typename T>
    static T out(T element) { return element; }
};

struct Signed {
    static uint8_t in(uint8_t element) { return static_cast<uint8_t>(element ^ 0x80u); }
    static uint8_t out(uint8_t element) { return static_cast<uint8_t>(element ^ 0x80u); }
};

// PyTorch's conversion to 32 bits keeps the lower ones.
struct Narrowed {
    static int32_t in(int64_t element) { return static_cast<int32_t>(static_cast<uint32_t>(element)); }
    static int64_t out(int32_t element) { return element; }
};

// Calls `visit` with the place of each of NNAPI's elements, in order, and of PyTorch's.
template <typename Visit>
void walk(uint32_t rank, const uint32_t *sizes, const size_t *strides, size_t count, Visit visit) {
    if (rank == 0) return visit(0, 0);
    const uint32_t inner = sizes[rank - 1];
    const size_t step = strides[rank - 1];
    uint32_t index[NNC_MAX_RANK] = {};
    size_t start = 0;
    for (size_t element = 0; element < count;) {
        for (uint32_t i = 0; i < inner; ++i) visit(element++, start + i * step);
        for (uint32_t dim = rank - 1; dim-- > 0;) {
            start += strides[dim];
            if (++index[dim] < sizes[dim]) break;
            start -= strides[dim] * sizes[dim];
            index[dim] = 0;
        }
    }
}

// Memory of the caller's need not be aligned.
template <typename T>
T load(const void *from, size_t index) {
    T element;
    std::memcpy(&element, static_cast<const uint8_t *>(from) + index * sizeof(T), sizeof(T));
    return element;
}

template <typename T>
void store(void *to, size_t index, T element) {
    std::memcpy(static_cast<uint8_t *>(to) + index * sizeof(T), &element, sizeof(T));
}

}  // namespace

Crossing::Crossing(const file::Tensor &tensor, const file::Operand *operand) {
    tensor_.name = tensor.name()->c_str();
    tensor_.element = static_cast<nnc_element>(tensor.element());
    tensor_.rank = tensor.shape()->size();
    size_t count = 1;
    for (uint32_t i = 0; i < tensor_.rank; ++i) {
        tensor_.shape[i] = tensor.shape()->Get(i);
        count *= tensor_.shape[i];
    }
    tensor_.byte_length = count * element_size(tensor.element());
    tensor_.scale = tensor.scale();
    tensor_.zero_point = tensor.zero_point();
    tensor_.nnapi_element = tensor_.element == NNC_QINT8   ? NNC_QUINT8
                            : tensor_.element == NNC_INT64 ? NNC_INT32
                                                           : tensor_.element;
    if (operand == nullptr) return;
    tensor_.nnapi_rank = operand->dimensions()->size();
    for (uint32_t i = 0; i < tensor_.nnapi_rank; ++i) tensor_.nnapi_shape[i] = operand->dimensions()->Get(i);
    tensor_.nnapi_byte_length = count * kOperandKinds[operand->type()].element_size;
    rank_ = tensor_.rank;
    size_t strides[NNC_MAX_RANK] = {};
    size_t stride = 1;
    for (uint32_t i = rank_; i-- > 0;) {
        strides[i] = stride;
        stride *= tensor_.shape[i];
    }
    const auto *permutation = tensor.permutation();
    const bool is_permuted = permutation != nullptr && permutation->size() != 0;
    for (uint32_t i = 0; i < rank_; ++i) {
        const uint32_t dim = is_permuted ? permutation->Get(i) : i;
        sizes_[i] = tensor_.shape[dim];
        strides_[i] = strides[dim];
        moves_ = moves_ || dim != i;
    }
    moves_ = moves_ || tensor_.nnapi_element != tensor_.element;
}

template <typename Torch, typename Operand, typename Convert>
static void copy_in(uint32_t rank, const uint32_t *sizes, const size_t *strides, size_t count, const void *from,
                    void *to) {
    walk(rank, sizes, strides, count, [from, to](size_t element, size_t place) {
        store<Operand>(to, element, Convert::in(load<Torch>(from, place)));
    });
}

template <typename Torch, typename Operand, typename Convert>
static void copy_out(uint32_t rank, const uint32_t *sizes, const size_t *strides, size_t count, const void *from,
                     void *to) {
    walk(rank, sizes, strides, count, [from, to](size_t element, size_t place) {
        store<Torch>(to, place, Convert::out(load<Operand>(from, element)));
    });
}

void Crossing::inward(const void *from, void *to) const {
    switch (tensor_.element) {
        case NNC_FLOAT32:
        case NNC_INT32:
            return copy_in<uint32_t, uint32_t, SameBytes>(rank_, sizes_, strides_, tensor_.byte_length / 4, from, to);
        case NNC_FLOAT16:
            return copy_in<uint16_t, uint16_t, SameBytes>(rank_, sizes_, strides_, tensor_.byte_length / 2, from, to);
        case NNC_BOOL:
        case NNC_QUINT8:
            return copy_in<uint8_t, uint8_t, SameBytes>(rank_, sizes_, strides_, tensor_.byte_length, from, to);
        case NNC_QINT8:
            return copy_in<uint8_t, uint8_t, Signed>(rank_, sizes_, strides_, tensor_.byte_length, from, to);
        case NNC_INT64:
            return copy_in<int64_t, int32_t, Narrowed>(rank_, sizes_, strides_, tensor_.byte_length / 8, from, to);
    }
}

void Crossing::outward(const void *from, void *to) const {
    switch (tensor_.element) {
        case NNC_FLOAT32:
        case NNC_INT32:
            return copy_out<uint32_t, uint32_t, SameBytes>(rank_, sizes_, strides_, tensor_.byte_length / 4, from, to);
        case NNC_FLOAT16:
            return copy_out<uint16_t, uint16_t, SameBytes>(rank_, sizes_, strides_, tensor_.byte_length / 2, from, to);
        case NNC_BOOL:
        case NNC_QUINT8:
            return copy_out<uint8_t, uint8_t, SameBytes>(rank_, sizes_, strides_, tensor_.byte_length, from, to);
        case NNC_QINT8:
            return copy_out<uint8_t, uint8_t, Signed>(rank_, sizes_, strides_, tensor_.byte_length, from, to);
        case NNC_INT64:
            return copy_out<int64_t, int32_t, Narrowed>(rank_, sizes_, strides_, tensor_.byte_length / 8, from, to);
    }
}

}  // namespace nnc

namespace {

nnc_status described(const nnc_model *model, const nnc::file::Tensor &tensor, const nnc::file::Operand *operand,
                     nnc_tensor *out) {
    if (model == nullptr || out == nullptr) return nnc::fail(NNC_BAD_ARGUMENT, "a pointer is null");
    *out = nnc::Crossing(tensor, operand).tensor();
    return NNC_OK;
}

}  // namespace

uint32_t nnc_model_input_count(const nnc_model *model) {
    return model != nullptr ? model->file->program->inputs()->size() : 0;
}

uint32_t nnc_model_output_count(const nnc_model *model) {
    return model != nullptr ? model->file->program->outputs()->size() : 0;
}

nnc_status nnc_model_input(const nnc_model *model, uint32_t index, nnc_tensor *tensor) {
    if (index >= nnc_model_input_count(model)) return nnc::fail(NNC_BAD_ARGUMENT, "there is no input %u", index);
    const nnc::file::Model &main = model->file->main();
    const nnc::file::Input &input = *model->file->program->inputs()->Get(index);
    const auto place = input.place();
    return described(model, *input.tensor(),
                     place.has_value() ? main.operands()->Get(main.inputs()->Get(*place)) : nullptr, tensor);
}

nnc_status nnc_model_output(const nnc_model *model, uint32_t index, nnc_tensor *tensor) {
    if (index >= nnc_model_output_count(model)) return nnc::fail(NNC_BAD_ARGUMENT, "there is no output %u", index);
    const nnc::file::Model &main = model->file->main();
    const nnc::file::Output &output = *model->file->program->outputs()->Get(index);
    const bool is_computed = output.origin() == nnc::file::Origin_Computed;
    return described(model, *output.tensor(),
                     is_computed ? main.operands()->Get(main.outputs()->Get(output.place())) : nullptr, tensor);
}

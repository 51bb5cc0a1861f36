// NNAPI's operand types: how large their elements are, and which are scalars.

#pragma once

#include <cstdint>

#include "model_file_generated.h"

namespace nnc {

constexpr int32_t kTypeModel = 15;
constexpr int32_t kTypeCount = 16;
constexpr int32_t kTensorFloat32 = 3;
constexpr int32_t kTensorInt32 = 4;
constexpr int32_t kTensorQuant8Asymm = 5;
constexpr int32_t kTensorFloat16 = 8;
constexpr int32_t kTensorBool8 = 9;
constexpr int32_t kTensorPerChannel = 11;

struct OperandKind {
    bool is_tensor;
    uint32_t element_size;
};

// By NNAPI's OperandCode. A model has no elements.
constexpr OperandKind kOperandKinds[kTypeCount] = {
    {false, 4}, {false, 4}, {false, 4}, {true, 4}, {true, 4}, {true, 1}, {false, 1}, {true, 2},
    {true, 2},  {true, 1},  {false, 2}, {true, 1}, {true, 2}, {true, 1}, {true, 1},  {false, 0},
};

constexpr bool is_known_type(int32_t type) { return type >= 0 && type < kTypeCount; }

// The operand type that a tensor of PyTorch's crosses to.
constexpr int32_t crossing_type(file::Element element) {
    switch (element) {
        case file::Element_Float32: return kTensorFloat32;
        case file::Element_Float16: return kTensorFloat16;
        case file::Element_Int64:
        case file::Element_Int32: return kTensorInt32;
        case file::Element_Bool: return kTensorBool8;
        case file::Element_QUInt8:
        case file::Element_QInt8: return kTensorQuant8Asymm;
    }
    return kTypeModel;
}

constexpr uint32_t element_size(file::Element element) {
    return element == file::Element_Int64 ? 8 : kOperandKinds[crossing_type(element)].element_size;
}

// False where there are more elements than can be counted, or a dimension is unknown.
template <typename Dimensions>
bool count_elements(const Dimensions &dimensions, uint64_t *count) {
    uint64_t product = 1;
    for (const uint32_t size : dimensions) {
        if (size == 0 || product > (uint64_t{1} << 40) / size) return false;
        product *= size;
    }
    *count = product;
    return true;
}

}  // namespace nnc

// How a tensor crosses between the caller, who may have it as PyTorch does, and NNAPI.

#pragma once

#include "model_file.h"

namespace nnc {

class Crossing {
  public:
    // Without an operand, NNAPI never sees the tensor.
    Crossing(const file::Tensor &tensor, const file::Operand *operand);

    const nnc_tensor &tensor() const { return tensor_; }
    // Whether the bytes differ on both sides.
    bool moves() const { return moves_; }
    size_t length(nnc_order order) const {
        return order == NNC_ORDER_PYTORCH ? tensor_.byte_length : tensor_.nnapi_byte_length;
    }

    void inward(const void *from, void *to) const;
    void outward(const void *from, void *to) const;

  private:
    nnc_tensor tensor_{};
    bool moves_ = false;
    // In NNAPI's order of dimensions: their sizes, and how far apart PyTorch's elements are.
    uint32_t rank_ = 0;
    uint32_t sizes_[NNC_MAX_RANK] = {};
    size_t strides_[NNC_MAX_RANK] = {};
};

}  // namespace nnc

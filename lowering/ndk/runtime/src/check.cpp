// Whether what a file says fits together: every index, every length, every order. What passes can be built from
// without another look; whether it means something is for NNAPI to say.

#include <cmath>
#include <vector>

#include "model_file.h"
#include "operand_types.h"

namespace nnc {
namespace {

using Indices = flatbuffers::Vector<uint32_t>;

constexpr uint32_t kMaxRank = NNC_MAX_RANK;
constexpr uint32_t kHighestLevel = 8;
constexpr uint64_t kOperandAlignment = 4;

nnc_status bad(const char *where, uint32_t index, const char *reason) {
    return fail(NNC_BAD_FILE, "the model file is damaged: %s %u %s", where, index, reason);
}

struct Range {
    uint64_t offset;
    uint64_t length;

    bool is_in(uint64_t size) const { return offset <= size && length <= size - offset; }
};

// The bytes of an operand's value. False where they are not known before execution.
bool value_length(const file::Operand &operand, uint64_t *length) {
    const OperandKind kind = kOperandKinds[operand.type()];
    uint64_t count = 1;
    if (kind.is_tensor) {
        if (operand.dimensions() == nullptr || operand.dimensions()->size() == 0) return false;
        if (!count_elements(*operand.dimensions(), &count)) return false;
    }
    *length = count * kind.element_size;
    return true;
}

nnc_status check_channels(const file::Operand &operand, uint32_t index) {
    const bool is_per_channel = operand.type() == kTensorPerChannel;
    const auto *scales = operand.channel_scales();
    if ((scales != nullptr) != is_per_channel) {
        return bad("operand", index, is_per_channel ? "has no scales" : "has scales for channels");
    }
    if (!is_per_channel) return NNC_OK;
    const auto *dimensions = operand.dimensions();
    if (dimensions == nullptr || operand.channel_dim() >= dimensions->size() ||
        dimensions->Get(operand.channel_dim()) != scales->size()) {
        return bad("operand", index, "does not have a scale for each channel");
    }
    for (const float scale : *scales) {
        if (!std::isfinite(scale) || scale <= 0) return bad("operand", index, "has a scale that is none");
    }
    return NNC_OK;
}

nnc_status check_operand(const file::Operand &operand, uint32_t index, uint32_t model, uint32_t models,
                         uint64_t weights_length) {
    if (!is_known_type(operand.type())) return bad("operand", index, "has a type that NNAPI does not have");
    const OperandKind kind = kOperandKinds[operand.type()];
    const auto *dimensions = operand.dimensions();
    if (!kind.is_tensor && dimensions != nullptr && dimensions->size() != 0) {
        return bad("operand", index, "is a scalar with dimensions");
    }
    if (dimensions != nullptr && dimensions->size() > kMaxRank) return bad("operand", index, "has too many dimensions");
    if (!std::isfinite(operand.scale()) || operand.scale() < 0) return bad("operand", index, "has a scale that is none");
    NNC_TRY(check_channels(operand, index));
    if ((operand.type() == kTypeModel) != (operand.source() == file::Source_Model)) {
        return bad("operand", index, "is a model in one respect only");
    }
    uint64_t length = 0;
    switch (operand.source()) {
        case file::Source_Computed:
        case file::Source_Given:
        case file::Source_Omitted: return NNC_OK;
        case file::Source_Immediate:
            if (operand.bytes() == nullptr || !value_length(operand, &length) || operand.bytes()->size() != length) {
                return bad("operand", index, "has a value of another length");
            }
            return NNC_OK;
        case file::Source_Weights:
            if (!Range{operand.offset(), operand.length()}.is_in(weights_length) ||
                operand.offset() % kOperandAlignment != 0) {
                return bad("operand", index, "does not lie in the weights");
            }
            if (!value_length(operand, &length) || operand.length() != length) {
                return bad("operand", index, "has a value of another length");
            }
            return NNC_OK;
        case file::Source_Model:
            // Only what comes later can be referred to, so no model can run itself.
            if (operand.model() <= model || operand.model() >= models) {
                return bad("operand", index, "refers to a model that is not there");
            }
            return NNC_OK;
    }
    return bad("operand", index, "has a value from nowhere");
}

nnc_status check_indices(const Indices &indices, uint32_t count, const char *where, uint32_t index) {
    for (const uint32_t operand : indices) {
        if (operand >= count) return bad(where, index, "names an operand that is not there");
    }
    return NNC_OK;
}

nnc_status check_operations(const file::Model &model, std::vector<bool> *known) {
    const auto &operands = *model.operands();
    for (uint32_t i = 0; i < model.operations()->size(); ++i) {
        const file::Operation &operation = *model.operations()->Get(i);
        NNC_TRY(check_indices(*operation.inputs(), operands.size(), "operation", i));
        NNC_TRY(check_indices(*operation.outputs(), operands.size(), "operation", i));
        for (const uint32_t operand : *operation.inputs()) {
            if (!(*known)[operand]) return bad("operation", i, "reads what is computed later");
        }
        for (const uint32_t operand : *operation.outputs()) {
            if (operands.Get(operand)->source() != file::Source_Computed || (*known)[operand]) {
                return bad("operation", i, "computes what has a value");
            }
            (*known)[operand] = true;
        }
    }
    return NNC_OK;
}

nnc_status check_border(const file::Model &model, uint32_t index, const std::vector<bool> &known) {
    const auto &operands = *model.operands();
    NNC_TRY(check_indices(*model.inputs(), operands.size(), "model", index));
    NNC_TRY(check_indices(*model.outputs(), operands.size(), "model", index));
    uint32_t given = 0;
    for (const file::Operand *operand : operands) given += operand->source() == file::Source_Given ? 1 : 0;
    std::vector<bool> seen(operands.size(), false);
    for (const uint32_t operand : *model.inputs()) {
        if (operands.Get(operand)->source() != file::Source_Given || seen[operand]) {
            return bad("model", index, "takes what is not given, or takes it twice");
        }
        seen[operand] = true;
    }
    if (given != model.inputs()->size()) return bad("model", index, "has an operand that is given, but no input");
    for (const uint32_t operand : *model.outputs()) {
        if (operands.Get(operand)->source() != file::Source_Computed || !known[operand] || seen[operand]) {
            return bad("model", index, "gives what is not computed, or gives it twice");
        }
        seen[operand] = true;
    }
    return NNC_OK;
}

nnc_status check_model(const file::Model &model, uint32_t index, uint32_t models, uint64_t weights_length) {
    const auto &operands = *model.operands();
    std::vector<bool> known(operands.size(), false);
    for (uint32_t i = 0; i < operands.size(); ++i) {
        NNC_TRY(check_operand(*operands.Get(i), i, index, models, weights_length));
        known[i] = operands.Get(i)->source() != file::Source_Computed;
    }
    NNC_TRY(check_operations(model, &known));
    return check_border(model, index, known);
}

nnc_status check_tensor(const file::Tensor &tensor, const char *where, uint32_t index, uint64_t *count) {
    if (tensor.element() > file::Element_MAX) return bad(where, index, "has elements of a type that is none");
    if (tensor.shape()->size() > kMaxRank || !count_elements(*tensor.shape(), count)) {
        return bad(where, index, "has a shape that cannot be");
    }
    if (!std::isfinite(tensor.scale())) return bad(where, index, "has a scale that is none");
    const auto *permutation = tensor.permutation();
    if (permutation == nullptr || permutation->size() == 0) return NNC_OK;
    if (permutation->size() != tensor.shape()->size()) return bad(where, index, "has an order of other dimensions");
    uint32_t seen = 0;
    for (const uint8_t dimension : *permutation) {
        if (dimension >= permutation->size() || (seen & (1u << dimension)) != 0) {
            return bad(where, index, "has an order that is none");
        }
        seen |= 1u << dimension;
    }
    return NNC_OK;
}

// Whether a tensor of PyTorch's can be that operand.
nnc_status check_crossing(const file::Tensor &tensor, uint64_t count, const file::Operand &operand, const char *where,
                          uint32_t index) {
    uint64_t length = 0;
    if (operand.type() != crossing_type(tensor.element()) || !value_length(operand, &length) ||
        length != count * kOperandKinds[operand.type()].element_size) {
        return bad(where, index, "is not the operand that it crosses to");
    }
    return NNC_OK;
}

nnc_status check_inputs(const file::Program &program, std::vector<uint64_t> *counts) {
    const file::Model &main = *program.models()->Get(0);
    std::vector<bool> seen(main.inputs()->size(), false);
    uint32_t read = 0;
    for (uint32_t i = 0; i < program.inputs()->size(); ++i) {
        const file::Input &input = *program.inputs()->Get(i);
        NNC_TRY(check_tensor(*input.tensor(), "input", i, &(*counts)[i]));
        if (!input.place().has_value()) continue;
        const uint32_t place = *input.place();
        if (place >= main.inputs()->size() || seen[place]) return bad("input", i, "has a place that is none");
        seen[place] = true;
        ++read;
        const file::Operand &operand = *main.operands()->Get(main.inputs()->Get(place));
        NNC_TRY(check_crossing(*input.tensor(), (*counts)[i], operand, "input", i));
    }
    return read == main.inputs()->size() ? NNC_OK : bad("model", 0, "has an input that nothing gives");
}

nnc_status check_outputs(const file::Program &program, const std::vector<uint64_t> &counts, uint64_t weights_length) {
    const file::Model &main = *program.models()->Get(0);
    std::vector<bool> seen(main.outputs()->size(), false);
    uint32_t given = 0;
    for (uint32_t i = 0; i < program.outputs()->size(); ++i) {
        const file::Output &output = *program.outputs()->Get(i);
        uint64_t count = 0;
        NNC_TRY(check_tensor(*output.tensor(), "output", i, &count));
        const uint32_t size = element_size(output.tensor()->element());
        switch (output.origin()) {
            case file::Origin_Computed: {
                if (output.place() >= main.outputs()->size()) return bad("output", i, "has a place that is none");
                if (!seen[output.place()]) ++given;
                seen[output.place()] = true;
                const file::Operand &operand = *main.operands()->Get(main.outputs()->Get(output.place()));
                NNC_TRY(check_crossing(*output.tensor(), count, operand, "output", i));
                break;
            }
            case file::Origin_Passed:
                if (output.place() >= program.inputs()->size()) return bad("output", i, "has a place that is none");
                if (counts[output.place()] * element_size(program.inputs()->Get(output.place())->tensor()->element()) !=
                    count * size) {
                    return bad("output", i, "is not the input that it passes on");
                }
                break;
            case file::Origin_Stored:
                if (output.length() != count * size ||
                    !Range{output.offset(), output.length()}.is_in(weights_length)) {
                    return bad("output", i, "does not lie in the weights");
                }
                break;
            default: return bad("output", i, "comes from nowhere");
        }
    }
    return given == main.outputs()->size() ? NNC_OK : bad("model", 0, "has an output that nothing takes");
}

template <typename Vector>
uint64_t length_of(const Vector *vector) {
    return vector != nullptr ? vector->size() : 0;
}

// The numbers in all vectors of a program, one that stands in several places counted in each.
uint64_t count_numbers(const file::Program &program) {
    uint64_t count = 0;
    for (const file::Model *model : *program.models()) {
        count += model->inputs()->size() + model->outputs()->size();
        for (const file::Operation *operation : *model->operations()) {
            count += operation->inputs()->size() + operation->outputs()->size();
        }
        for (const file::Operand *operand : *model->operands()) {
            count += length_of(operand->dimensions()) + length_of(operand->channel_scales());
        }
    }
    return count;
}

}  // namespace

nnc_status check_program(const file::Program &program, uint64_t structure_length, uint64_t weights_length) {
    // Nothing is shared in a file that was written here; one that does could make a reader walk for ever.
    if (count_numbers(program) > structure_length / sizeof(uint32_t)) return bad("model", 0, "shares what it consists of");
    const auto &models = *program.models();
    if (models.size() == 0) return bad("the number of models,", 0, "is too small");
    if (program.feature_level() < 1 || program.feature_level() > kHighestLevel) {
        return bad("feature level", program.feature_level(), "does not exist");
    }
    if (program.preference() > NNC_SUSTAINED_SPEED) return bad("preference", program.preference(), "does not exist");
    for (uint32_t i = 0; i < models.size(); ++i) {
        NNC_TRY(check_model(*models.Get(i), i, models.size(), weights_length));
    }
    std::vector<uint64_t> counts(program.inputs()->size(), 0);
    NNC_TRY(check_inputs(program, &counts));
    return check_outputs(program, counts, weights_length);
}

}  // namespace nnc

#include "build_model.h"

#include <sys/mman.h>

#include <cstdio>

#include "operand_types.h"

namespace nnc {
namespace {

// What is being built, in words: put together only where a message needs it.
struct Place {
    const char *what;
    uint32_t index;
    const char *name;
    const char *origin;
};

nnc_status told_at(int code, const Place &place) {
    if (code == 0) return NNC_OK;
    char words[512];
    if (place.origin[0] != '\0') {
        std::snprintf(words, sizeof words, "%s %u, %s of %s", place.what, place.index, place.name, place.origin);
    } else {
        std::snprintf(words, sizeof words, "%s %u%s%s", place.what, place.index, place.name[0] != '\0' ? ", " : "",
                      place.name);
    }
    return told(code, words);
}

class Builder {
  public:
    Builder(const Nnapi &nnapi, const ModelFile &file, BuiltModels &built, bool is_relaxed)
        : nnapi_(nnapi), file_(file), built_(built), is_relaxed_(is_relaxed) {}

    nnc_status build() {
        NNC_TRY(share_weights());
        const auto &models = *file_.program->models();
        built_.models.reserve(models.size());
        // What is referred to must be finished first, and comes later in the file.
        for (uint32_t i = models.size(); i-- > 0;) NNC_TRY(build_model(*models.Get(i)));
        return NNC_OK;
    }

  private:
    nnc_status share_weights() {
        if (file_.weights_length == 0) return NNC_OK;
        const Mapping &mapping = file_.mapping;
        Memory *memory = nullptr;
        NNC_TRY(told(nnapi_.Memory_createFromFd(mapping.mapped_length(), PROT_READ, mapping.descriptor(),
                                                mapping.file_offset(), &memory),
                     "giving the weights to NNAPI"));
        built_.weights = Handle<Memory>(memory, nnapi_.Memory_free);
        // Offsets of weights count from the beginning of what NNAPI maps.
        weights_start_ = mapping.lead() + static_cast<size_t>(file_.weights - mapping.data());
        return NNC_OK;
    }

    nnc_status build_model(const file::Model &described) {
        Model *made = nullptr;
        NNC_TRY(told(nnapi_.Model_create(&made), "creating a model"));
        built_.models.emplace_back(made, nnapi_.Model_free);
        const auto &operands = *described.operands();
        for (uint32_t i = 0; i < operands.size(); ++i) NNC_TRY(add_operand(made, *operands.Get(i), i));
        const auto &operations = *described.operations();
        for (uint32_t i = 0; i < operations.size(); ++i) {
            const file::Operation &operation = *operations.Get(i);
            NNC_TRY(told_at(nnapi_.Model_addOperation(made, operation.code(), operation.inputs()->size(),
                                                      operation.inputs()->data(), operation.outputs()->size(),
                                                      operation.outputs()->data()),
                            {"adding operation", i, operation.name()->c_str(), operation.place()->c_str()}));
        }
        NNC_TRY(told(nnapi_.Model_identifyInputsAndOutputs(made, described.inputs()->size(), described.inputs()->data(),
                                                           described.outputs()->size(), described.outputs()->data()),
                     "naming the inputs and outputs of a model"));
        if ((is_relaxed_ || file_.program->relaxed()) && nnapi_.Model_relaxComputationFloat32toFloat16 != nullptr) {
            NNC_TRY(told(nnapi_.Model_relaxComputationFloat32toFloat16(made, true), "allowing float16"));
        }
        return told(nnapi_.Model_finish(made), "finishing a model");
    }

    nnc_status add_operand(Model *model, const file::Operand &operand, uint32_t index) {
        const auto *dimensions = operand.dimensions();
        OperandType type{};
        type.type = operand.type();
        type.dimension_count = dimensions != nullptr ? dimensions->size() : 0;
        type.dimensions = type.dimension_count != 0 ? dimensions->data() : nullptr;
        type.scale = operand.scale();
        type.zero_point = operand.zero_point();
        const Place place{"adding operand", index, "", ""};
        NNC_TRY(told_at(nnapi_.Model_addOperand(model, &type), place));
        if (operand.channel_scales() != nullptr) {
            if (nnapi_.Model_setOperandSymmPerChannelQuantParams == nullptr) return lacking("a scale per channel", 3);
            const ChannelQuantParams channels{operand.channel_dim(), operand.channel_scales()->size(),
                                              operand.channel_scales()->data()};
            NNC_TRY(told_at(nnapi_.Model_setOperandSymmPerChannelQuantParams(model, static_cast<int32_t>(index),
                                                                             &channels),
                            place));
        }
        return told_at(set_value(model, operand, static_cast<int32_t>(index)), place);
    }

    int set_value(Model *model, const file::Operand &operand, int32_t index) {
        switch (operand.source()) {
            case file::Source_Computed:
            case file::Source_Given: return 0;
            case file::Source_Omitted: return nnapi_.Model_setOperandValue(model, index, nullptr, 0);
            case file::Source_Immediate:
                return nnapi_.Model_setOperandValue(model, index, operand.bytes()->data(), operand.bytes()->size());
            case file::Source_Weights:
                return nnapi_.Model_setOperandValueFromMemory(model, index, built_.weights.get(),
                                                              weights_start_ + static_cast<size_t>(operand.offset()),
                                                              static_cast<size_t>(operand.length()));
            case file::Source_Model: {
                // The list is filled from the file's last model on.
                const size_t place = file_.program->models()->size() - 1 - operand.model();
                return nnapi_.Model_setOperandValueFromModel(model, index, built_.models[place].get());
            }
        }
        return 0;
    }

    nnc_status lacking(const char *what, int32_t level) const {
        return fail(NNC_LEVEL_TOO_LOW, "%s needs feature level %d (%s); NNAPI here has level %d", what, level,
                    level_words(level), nnapi_.feature_level);
    }

    const Nnapi &nnapi_;
    const ModelFile &file_;
    BuiltModels &built_;
    const bool is_relaxed_;
    size_t weights_start_ = 0;
};

}  // namespace

nnc_status build_models(const Nnapi &nnapi, const std::shared_ptr<const ModelFile> &file, bool is_relaxed,
                        BuiltModels *built) {
    const auto needed = static_cast<int32_t>(file->program->feature_level());
    if (needed > nnapi.feature_level) {
        return fail(NNC_LEVEL_TOO_LOW, "the model needs feature level %d (%s); NNAPI here has level %d (%s)", needed,
                    level_words(needed), nnapi.feature_level, level_words(nnapi.feature_level));
    }
    built->file = file;
    return Builder(nnapi, *file, *built, is_relaxed).build();
}

}  // namespace nnc

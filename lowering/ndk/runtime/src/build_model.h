// From a verified file to NNAPI's models.

#pragma once

#include <vector>

#include "model_file.h"
#include "nnapi.h"

namespace nnc {

// The models of a file, finished: the first one last, for it is built of those that IF and WHILE refer to.
struct BuiltModels {
    std::shared_ptr<const ModelFile> file;
    Handle<Memory> weights;
    std::vector<Handle<Model>> models;

    BuiltModels() = default;
    BuiltModels(const BuiltModels &) = delete;
    BuiltModels &operator=(const BuiltModels &) = delete;
    ~BuiltModels() {
        while (!models.empty()) models.pop_back();
    }

    Model *main() const { return models.back().get(); }
};

nnc_status build_models(const Nnapi &nnapi, const std::shared_ptr<const ModelFile> &file, bool is_relaxed,
                        BuiltModels *built);

}  // namespace nnc

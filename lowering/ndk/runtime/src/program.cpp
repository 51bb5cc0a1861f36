#include "program.h"

#include <cstring>
#include <new>

namespace nnc {
namespace {

constexpr size_t kTokenLength = 32;

// Names a compilation in the driver's cache: the file's digest, in which what else the driver is told is mixed.
void fill_token(const Program &program, uint8_t *token) {
    const ModelFile &file = *program.built.file;
    std::memcpy(token, file.digest, kTokenLength);
    const uint32_t told[] = {static_cast<uint32_t>(program.options.preference),
                             static_cast<uint32_t>(program.options.priority),
                             program.options.is_relaxed ? 1u : 0u};
    uint32_t mixed = crc32(reinterpret_cast<const uint8_t *>(told), sizeof told);
    mixed ^= crc32(reinterpret_cast<const uint8_t *>(&program.device_count), sizeof program.device_count);
    for (size_t i = 0; i < sizeof mixed; ++i) token[i] ^= static_cast<uint8_t>(mixed >> (8 * i));
}

nnc_status create_compilation(Program *program) {
    const Nnapi &nnapi = *program->nnapi;
    std::vector<Device *> devices;
    NNC_TRY(choose_devices(*program, &devices));
    program->device_count = static_cast<uint32_t>(devices.size());
    Compilation *made = nullptr;
    Model *model = program->built.main();
    NNC_TRY(told(devices.empty()
                     ? nnapi.Compilation_create(model, &made)
                     : nnapi.Compilation_createForDevices(model, devices.data(), program->device_count, &made),
                 "creating a compilation"));
    program->compilation = Handle<Compilation>(made, nnapi.Compilation_free);
    return NNC_OK;
}

nnc_status compile(Program *program) {
    const Nnapi &nnapi = *program->nnapi;
    const nnc_options &options = program->options;
    NNC_TRY(create_compilation(program));
    Compilation *compilation = program->compilation.get();
    NNC_TRY(told(nnapi.Compilation_setPreference(compilation, options.preference), "setting the preference"));
    if (options.cache_directory != nullptr && nnapi.Compilation_setCaching != nullptr) {
        uint8_t token[kTokenLength];
        fill_token(*program, token);
        NNC_TRY(told(nnapi.Compilation_setCaching(compilation, options.cache_directory, token), "setting the cache"));
    }
    if (options.priority != NNC_PRIORITY_DEFAULT && nnapi.Compilation_setPriority != nullptr) {
        NNC_TRY(told(nnapi.Compilation_setPriority(compilation, options.priority), "setting the priority"));
    }
    // NNAPI takes deadlines only where one device is chosen.
    if (options.compile_timeout_ns != 0 && program->device_count == 1 && nnapi.Compilation_setTimeout != nullptr) {
        NNC_TRY(told(nnapi.Compilation_setTimeout(compilation, options.compile_timeout_ns), "setting a deadline"));
    }
    return told(nnapi.Compilation_finish(compilation), "compiling the model");
}

void find_crossings(Program *program) {
    const file::Program &described = *program->built.file->program;
    const file::Model &main = program->built.file->main();
    for (const file::Input *input : *described.inputs()) {
        const file::Operand *operand =
            input->place().has_value() ? main.operands()->Get(main.inputs()->Get(*input->place())) : nullptr;
        program->inputs.emplace_back(*input->tensor(), operand);
    }
    for (const file::Output *output : *described.outputs()) {
        const bool is_computed = output->origin() == file::Origin_Computed;
        program->outputs.emplace_back(
            *output->tensor(), is_computed ? main.operands()->Get(main.outputs()->Get(output->place())) : nullptr);
    }
}

bool is_preference(nnc_preference preference) {
    return preference == NNC_LOW_POWER || preference == NNC_FAST_SINGLE_ANSWER || preference == NNC_SUSTAINED_SPEED;
}

}  // namespace
}  // namespace nnc

nnc_options nnc_default_options(void) {
    nnc_options options{};
    options.preference = NNC_AS_CONVERTED;
    return options;
}

nnc_status nnc_program_create(const nnc_nnapi *nnapi, const nnc_model *model, const nnc_options *options,
                              nnc_program **program) {
    if (nnapi == nullptr || model == nullptr || program == nullptr) {
        return nnc::fail(NNC_BAD_ARGUMENT, "nnc_program_create: a pointer is null");
    }
    const std::shared_ptr<nnc::Program> made(new (std::nothrow) nnc::Program);
    if (made == nullptr) return nnc::fail(NNC_OUT_OF_MEMORY, "memory is lacking");
    made->nnapi = nnapi->functions;
    made->options = options != nullptr ? *options : nnc_default_options();
    if (made->options.preference == NNC_AS_CONVERTED) {
        made->options.preference = static_cast<nnc_preference>(model->file->program->preference());
    }
    if (!nnc::is_preference(made->options.preference)) return nnc::fail(NNC_BAD_ARGUMENT, "there is no such preference");
    NNC_TRY(nnc::build_models(*made->nnapi, model->file, made->options.is_relaxed, &made->built));
    NNC_TRY(nnc::compile(made.get()));
    nnc::find_crossings(made.get());
    // The caller's texts need not outlive this call.
    made->options.device_name = nullptr;
    made->options.cache_directory = nullptr;
    auto *handle = new (std::nothrow) nnc_program{made};
    if (handle == nullptr) return nnc::fail(NNC_OUT_OF_MEMORY, "memory is lacking");
    *program = handle;
    return NNC_OK;
}

void nnc_program_free(nnc_program *program) { delete program; }

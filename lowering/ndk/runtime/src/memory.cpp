#include "memory.h"

#include <sys/mman.h>

#include <new>

namespace nnc {
namespace {

nnc_status given(std::shared_ptr<const Nnapi> nnapi, Memory *made, size_t length, nnc_memory **memory) {
    Handle<Memory> owned(made, nnapi->Memory_free);
    const std::shared_ptr<SharedMemory> shared(new (std::nothrow)
                                                   SharedMemory{std::move(nnapi), std::move(owned), length});
    auto *handle = shared != nullptr ? new (std::nothrow) nnc_memory{shared} : nullptr;
    if (handle == nullptr) return fail(NNC_OUT_OF_MEMORY, "memory is lacking");
    *memory = handle;
    return NNC_OK;
}

nnc_status demand_memory_domains(const Nnapi &nnapi) {
    if (nnapi.feature_level >= 4) return NNC_OK;
    return fail(NNC_LEVEL_TOO_LOW, "devices share memory from feature level 4 (%s) on; NNAPI here has level %d",
                level_words(4), nnapi.feature_level);
}

// The place among the model's own inputs or outputs that a role is about.
nnc_status place_of(const nnc_role &role, uint32_t *place) {
    if (role.program == nullptr) return fail(NNC_BAD_ARGUMENT, "a role is of no program");
    const file::Program &described = *role.program->program->built.file->program;
    if (role.is_output) {
        if (role.index < described.outputs()->size()) {
            const file::Output &output = *described.outputs()->Get(role.index);
            *place = output.place();
            if (output.origin() == file::Origin_Computed) return NNC_OK;
        }
        return fail(NNC_BAD_ARGUMENT, "NNAPI computes no output %u", role.index);
    }
    if (role.index < described.inputs()->size() && described.inputs()->Get(role.index)->place().has_value()) {
        *place = *described.inputs()->Get(role.index)->place();
        return NNC_OK;
    }
    return fail(NNC_BAD_ARGUMENT, "NNAPI reads no input %u", role.index);
}

nnc_status add_role(const Nnapi &nnapi, MemoryDesc *description, const nnc_role &role) {
    uint32_t place = 0;
    NNC_TRY(place_of(role, &place));
    const Compilation *compilation = role.program->program->compilation.get();
    constexpr float kAlways = 1.0f;
    return told(role.is_output ? nnapi.MemoryDesc_addOutputRole(description, compilation, place, kAlways)
                               : nnapi.MemoryDesc_addInputRole(description, compilation, place, kAlways),
                "describing memory");
}

}  // namespace
}  // namespace nnc

nnc_status nnc_memory_create(const nnc_nnapi *nnapi, const nnc_role *roles, uint32_t count, nnc_memory **memory) {
    if (nnapi == nullptr || roles == nullptr || count == 0 || memory == nullptr) {
        return nnc::fail(NNC_BAD_ARGUMENT, "nnc_memory_create: a pointer is null, or there are no roles");
    }
    const nnc::Nnapi &functions = *nnapi->functions;
    NNC_TRY(nnc::demand_memory_domains(functions));
    nnc::MemoryDesc *made = nullptr;
    NNC_TRY(nnc::told(functions.MemoryDesc_create(&made), "describing memory"));
    const nnc::Handle<nnc::MemoryDesc> description(made, functions.MemoryDesc_free);
    for (uint32_t i = 0; i < count; ++i) NNC_TRY(nnc::add_role(functions, made, roles[i]));
    NNC_TRY(nnc::told(functions.MemoryDesc_finish(made), "describing memory"));
    nnc::Memory *created = nullptr;
    NNC_TRY(nnc::told(functions.Memory_createFromDesc(made, &created), "creating memory"));
    return nnc::given(nnapi->functions, created, 0, memory);
}

nnc_status nnc_memory_of_fd(const nnc_nnapi *nnapi, int descriptor, size_t offset, size_t length, nnc_memory **memory) {
    if (nnapi == nullptr || memory == nullptr) return nnc::fail(NNC_BAD_ARGUMENT, "nnc_memory_of_fd: a pointer is null");
    nnc::Memory *created = nullptr;
    NNC_TRY(nnc::told(
        nnapi->functions->Memory_createFromFd(length, PROT_READ | PROT_WRITE, descriptor, offset, &created),
        "sharing memory"));
    return nnc::given(nnapi->functions, created, length, memory);
}

void nnc_memory_free(nnc_memory *memory) { delete memory; }

nnc_status nnc_memory_copy(const nnc_memory *from, nnc_memory *to) {
    if (from == nullptr || to == nullptr) return nnc::fail(NNC_BAD_ARGUMENT, "nnc_memory_copy: a pointer is null");
    const nnc::Nnapi &functions = *from->shared->nnapi;
    NNC_TRY(nnc::demand_memory_domains(functions));
    return nnc::told(functions.Memory_copy(from->shared->memory.get(), to->shared->memory.get()), "copying memory");
}

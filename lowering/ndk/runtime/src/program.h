// A model, compiled for a device.

#pragma once

#include "build_model.h"
#include "crossing.h"

namespace nnc {

struct Program {
    // NNAPI is let go last, after everything that it made.
    std::shared_ptr<const Nnapi> nnapi;
    BuiltModels built;
    Handle<Compilation> compilation;
    nnc_options options{};
    // How many devices were asked for; 0 leaves that to NNAPI.
    uint32_t device_count = 0;
    std::vector<Crossing> inputs;
    std::vector<Crossing> outputs;
};

// Whether a device is NNAPI's own implementation, for the CPU.
bool is_reference(const char *name);

nnc_status list_devices(const Nnapi &nnapi, std::vector<Device *> *devices);
nnc_status describe_device(const Nnapi &nnapi, const Device *device, nnc_device *described);

// The devices that fit the options and can compute the whole model; none where they leave that to NNAPI.
nnc_status choose_devices(const Program &program, std::vector<Device *> *chosen);

}  // namespace nnc

struct nnc_program {
    std::shared_ptr<const nnc::Program> program;
};

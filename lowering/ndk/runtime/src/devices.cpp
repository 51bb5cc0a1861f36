// Which devices a model is compiled for.

#include <cstring>

#include "program.h"

namespace nnc {
namespace {

bool asks_for_device(const nnc_options &options) {
    return options.device_name != nullptr || options.device_type != NNC_DEVICE_ANY || options.refuses_reference;
}

bool fits(const nnc_device &device, const nnc_options &options) {
    if (options.refuses_reference && is_reference(device.name)) return false;
    if (options.device_name != nullptr && std::strcmp(options.device_name, device.name) != 0) return false;
    return options.device_type == NNC_DEVICE_ANY || options.device_type == device.type;
}

// Says which operation of a model stands first among those that a set of devices does not compute.
nnc_status unsupported(const file::Model &model, const bool *supported, uint32_t devices) {
    uint32_t count = 0;
    const file::Operation *first = nullptr;
    for (uint32_t i = 0; i < model.operations()->size(); ++i) {
        if (supported[i]) continue;
        if (first == nullptr) first = model.operations()->Get(i);
        ++count;
    }
    if (first == nullptr) return NNC_OK;
    return fail(NNC_NO_DEVICE, "%u of the devices fit, but they do not compute %u of %u operations: first %s of %s",
                devices, count, model.operations()->size(), first->name()->c_str(), first->place()->c_str());
}

}  // namespace

bool is_reference(const char *name) { return std::strcmp(name, "nnapi-reference") == 0; }

nnc_status list_devices(const Nnapi &nnapi, std::vector<Device *> *devices) {
    uint32_t count = 0;
    NNC_TRY(told(nnapi._getDeviceCount(&count), "counting devices"));
    devices->resize(count);
    for (uint32_t i = 0; i < count; ++i) NNC_TRY(told(nnapi._getDevice(i, &(*devices)[i]), "looking for a device"));
    return NNC_OK;
}

nnc_status describe_device(const Nnapi &nnapi, const Device *device, nnc_device *described) {
    int32_t type = 0;
    int64_t level = 0;
    nnc_device found{};
    NNC_TRY(told(nnapi.Device_getName(device, &found.name), "asking a device for its name"));
    NNC_TRY(told(nnapi.Device_getVersion(device, &found.version), "asking a device for its version"));
    NNC_TRY(told(nnapi.Device_getType(device, &type), "asking a device for its type"));
    NNC_TRY(told(nnapi.Device_getFeatureLevel(device, &level), "asking a device for its feature level"));
    found.type = type > NNC_DEVICE_ANY && type <= NNC_DEVICE_ACCELERATOR ? static_cast<nnc_device_type>(type)
                                                                          : NNC_DEVICE_OTHER;
    found.feature_level = small_level(level);
    *described = found;
    return NNC_OK;
}

nnc_status choose_devices(const Program &program, std::vector<Device *> *chosen) {
    const Nnapi &nnapi = *program.nnapi;
    const nnc_options &options = program.options;
    if (!asks_for_device(options)) return NNC_OK;
    if (nnapi.feature_level < 3) {
        return fail(NNC_LEVEL_TOO_LOW, "a device can be chosen from feature level 3 (%s) on; NNAPI here has level %d",
                    level_words(3), nnapi.feature_level);
    }
    std::vector<Device *> devices;
    NNC_TRY(list_devices(nnapi, &devices));
    for (Device *device : devices) {
        nnc_device described;
        NNC_TRY(describe_device(nnapi, device, &described));
        if (fits(described, options)) chosen->push_back(device);
    }
    if (chosen->empty()) {
        return fail(NNC_NO_DEVICE, "none of the %zu devices fits what was asked for", devices.size());
    }
    const file::Model &main = program.built.file->main();
    const std::unique_ptr<bool[]> supported(new bool[main.operations()->size() + 1]());
    const auto count = static_cast<uint32_t>(chosen->size());
    NNC_TRY(told(nnapi.Model_getSupportedOperationsForDevices(program.built.main(), chosen->data(), count,
                                                              supported.get()),
                 "asking devices for what they compute"));
    return unsupported(main, supported.get(), count);
}

}  // namespace nnc

uint32_t nnc_nnapi_device_count(const nnc_nnapi *nnapi) {
    if (nnapi == nullptr || nnapi->functions->feature_level < 3) return 0;
    uint32_t count = 0;
    return nnapi->functions->_getDeviceCount(&count) == 0 ? count : 0;
}

nnc_status nnc_nnapi_device(const nnc_nnapi *nnapi, uint32_t index, nnc_device *device) {
    if (nnapi == nullptr || device == nullptr) return nnc::fail(NNC_BAD_ARGUMENT, "nnc_nnapi_device: a pointer is null");
    if (index >= nnc_nnapi_device_count(nnapi)) return nnc::fail(NNC_BAD_ARGUMENT, "there is no device %u", index);
    nnc::Device *found = nullptr;
    NNC_TRY(nnc::told(nnapi->functions->_getDevice(index, &found), "looking for a device"));
    return nnc::describe_device(*nnapi->functions, found, device);
}

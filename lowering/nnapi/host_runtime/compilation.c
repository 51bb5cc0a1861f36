/* The one device, and compilations for it. */

#include "state.h"

#include <stdlib.h>

struct ANeuralNetworksDevice {
    const char *name;
    const char *version;
};

static ANeuralNetworksDevice host_device = {"nnapi-check-interpreter", "1"};

/* NNAPI writes levels 1 to 5 as Android's API levels, and later ones as a million and more. */
static int64_t written_level(int32_t level) { return level <= 5 ? 26 + level : 1000000 + (int64_t)level; }

int64_t ANeuralNetworks_getRuntimeFeatureLevel(void) {
    int32_t level = nnapi_host_level();
    if (level < SINCE_ANeuralNetworks_getRuntimeFeatureLevel) {
        refuse_as_absent(SINCE_ANeuralNetworks_getRuntimeFeatureLevel, __func__);
        return 0;
    }
    return written_level(level);
}

int ANeuralNetworks_getDeviceCount(uint32_t *count) {
    REQUIRE(ANeuralNetworks_getDeviceCount);
    if (count == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the result has no place");
    }
    *count = 1;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworks_getDevice(uint32_t index, ANeuralNetworksDevice **device) {
    REQUIRE(ANeuralNetworks_getDevice);
    if (device == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the result has no place");
    }
    if (index != 0) {
        *device = NULL;
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "device %u is wanted, and there is one", index);
    }
    *device = &host_device;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksDevice_getName(const ANeuralNetworksDevice *device, const char **name) {
    REQUIRE(ANeuralNetworksDevice_getName);
    if (device == NULL || name == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the device or the result is null");
    }
    *name = device->name;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksDevice_getVersion(const ANeuralNetworksDevice *device, const char **version) {
    REQUIRE(ANeuralNetworksDevice_getVersion);
    if (device == NULL || version == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the device or the result is null");
    }
    *version = device->version;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksDevice_getType(const ANeuralNetworksDevice *device, int32_t *type) {
    REQUIRE(ANeuralNetworksDevice_getType);
    if (device == NULL || type == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the device or the result is null");
    }
    *type = ANEURALNETWORKS_DEVICE_CPU;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksDevice_getFeatureLevel(const ANeuralNetworksDevice *device, int64_t *level) {
    REQUIRE(ANeuralNetworksDevice_getFeatureLevel);
    if (device == NULL || level == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the device or the result is null");
    }
    *level = written_level(nnapi_host_level());
    return ANEURALNETWORKS_NO_ERROR;
}

int check_devices(const ANeuralNetworksDevice *const *devices, uint32_t count, const char *function) {
    if (count == 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "the list of devices is empty");
    }
    for (uint32_t i = 0; i < count; i++) {
        if (devices[i] == NULL) {
            return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, function, "device %u of the list is null", i);
        }
        if (devices[i] != &host_device || i > 0) {
            return refuse(ANEURALNETWORKS_BAD_DATA, function, "device %u of the list is unknown or named twice", i);
        }
    }
    return ANEURALNETWORKS_NO_ERROR;
}

static int create(ANeuralNetworksModel *model, ANeuralNetworksCompilation **compilation, const char *function) {
    *compilation = NULL;
    if (!model->is_finished) {
        return refuse(ANEURALNETWORKS_BAD_STATE, function, "the model is not finished");
    }
    ANeuralNetworksCompilation *created = calloc(1, sizeof *created);
    if (created == NULL) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, function, "no memory is left");
    }
    created->id = next_id();
    created->model = hold_model(model);
    atomic_init(&created->references, 1);
    count_objects(1);
    *compilation = created;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksCompilation_create(ANeuralNetworksModel *model, ANeuralNetworksCompilation **compilation) {
    if (model == NULL || compilation == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the model or the result is null");
    }
    return create(model, compilation, __func__);
}

int ANeuralNetworksCompilation_createForDevices(ANeuralNetworksModel *model,
                                                const ANeuralNetworksDevice *const *devices, uint32_t device_count,
                                                ANeuralNetworksCompilation **compilation) {
    REQUIRE(ANeuralNetworksCompilation_createForDevices);
    if (model == NULL || devices == NULL || compilation == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the model, the devices or the result is null");
    }
    int result = check_devices(devices, device_count, __func__);
    return result == ANEURALNETWORKS_NO_ERROR ? create(model, compilation, __func__) : result;
}

void ANeuralNetworksCompilation_free(ANeuralNetworksCompilation *compilation) { release_compilation(compilation); }

ANeuralNetworksCompilation *hold_compilation(ANeuralNetworksCompilation *compilation) {
    atomic_fetch_add(&compilation->references, 1);
    return compilation;
}

void release_compilation(ANeuralNetworksCompilation *compilation) {
    if (compilation == NULL || atomic_fetch_sub(&compilation->references, 1) != 1) {
        return;
    }
    if (compilation->is_prepared) {
        call_release(HOST_RELEASE_COMPILATION, compilation->id);
    }
    release_model(compilation->model);
    free(compilation);
    count_objects(-1);
}

int ANeuralNetworksCompilation_setPreference(ANeuralNetworksCompilation *compilation, int32_t preference) {
    if (compilation == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the compilation is null");
    }
    if (compilation->is_finished) {
        return refuse(ANEURALNETWORKS_BAD_STATE, __func__, "the compilation is finished");
    }
    if (preference < ANEURALNETWORKS_PREFER_LOW_POWER || preference > ANEURALNETWORKS_PREFER_SUSTAINED_SPEED) {
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "preference %d does not exist", (int)preference);
    }
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksCompilation_finish(ANeuralNetworksCompilation *compilation) {
    if (compilation == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the compilation is null");
    }
    if (compilation->is_finished) {
        return refuse(ANEURALNETWORKS_BAD_STATE, __func__, "the compilation is finished");
    }
    compilation->is_finished = true;
    int result = call_prepare(compilation->id, compilation->model->view.id);
    compilation->is_prepared = result == ANEURALNETWORKS_NO_ERROR;
    return result;
}

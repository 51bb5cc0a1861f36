/* The levels and the devices: an accelerator, and after it the reference on the CPU, which every phone has. */

#include "state.h"

#include <stdlib.h>

/* Where this variable of the environment is 0, there is no accelerator, as on phones without a driver. */
#define HOST_ACCELERATOR "NNAPI_CHECK_ACCELERATOR"

struct ANeuralNetworksDevice {
    const char *name;
    const char *version;
    int32_t type;
};

static ANeuralNetworksDevice devices[] = {
    {"nnapi-check-interpreter", "1", ANEURALNETWORKS_DEVICE_ACCELERATOR},
    {"nnapi-reference", "1", ANEURALNETWORKS_DEVICE_CPU},
};

#define DEVICE_COUNT ((uint32_t)(sizeof devices / sizeof *devices))

/* The first device that is there. */
static uint32_t first_device(void) {
    const char *wanted = getenv(HOST_ACCELERATOR);
    return wanted != NULL && wanted[0] == '0' ? 1 : 0;
}

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
    *count = DEVICE_COUNT - first_device();
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworks_getDevice(uint32_t index, ANeuralNetworksDevice **device) {
    REQUIRE(ANeuralNetworks_getDevice);
    if (device == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the result has no place");
    }
    uint32_t count = DEVICE_COUNT - first_device();
    if (index >= count) {
        *device = NULL;
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "device %u is wanted, and there are %u", index, count);
    }
    *device = &devices[first_device() + index];
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
    *type = device->type;
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

int ANeuralNetworksDevice_wait(const ANeuralNetworksDevice *device) {
    REQUIRE(ANeuralNetworksDevice_wait);
    if (device == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the device is null");
    }
    return ANEURALNETWORKS_NO_ERROR;
}

static bool is_device(const ANeuralNetworksDevice *device) {
    for (uint32_t i = first_device(); i < DEVICE_COUNT; i++) {
        if (device == &devices[i]) {
            return true;
        }
    }
    return false;
}

int check_devices(const ANeuralNetworksDevice *const *list, uint32_t count, const char *function) {
    if (count == 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "the list of devices is empty");
    }
    for (uint32_t i = 0; i < count; i++) {
        if (list[i] == NULL) {
            return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, function, "device %u of the list is null", i);
        }
        if (!is_device(list[i])) {
            return refuse(ANEURALNETWORKS_BAD_DATA, function, "device %u of the list is unknown", i);
        }
        for (uint32_t j = 0; j < i; j++) {
            if (list[i] == list[j]) {
                return refuse(ANEURALNETWORKS_BAD_DATA, function, "device %u of the list is named twice", i);
            }
        }
    }
    return ANEURALNETWORKS_NO_ERROR;
}

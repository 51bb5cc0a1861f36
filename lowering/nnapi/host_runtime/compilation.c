/* Compilations: what can be set, and their completion. */

#include "state.h"

#include <stdlib.h>

/* What Android's own implementation prefers. */
#define PREFERRED_ALIGNMENT 64
#define PREFERRED_PADDING 64

static int create(ANeuralNetworksModel *model, uint32_t device_count, ANeuralNetworksCompilation **compilation,
                  const char *function) {
    *compilation = NULL;
    if (!model->is_finished) {
        return refuse(ANEURALNETWORKS_BAD_STATE, function, "the model is not finished");
    }
    ANeuralNetworksCompilation *created = calloc(1, sizeof *created);
    if (created == NULL) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, function, "no memory is left");
    }
    created->id = next_id();
    created->device_count = device_count;
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
    return create(model, 0, compilation, __func__);
}

int ANeuralNetworksCompilation_createForDevices(ANeuralNetworksModel *model,
                                                const ANeuralNetworksDevice *const *devices, uint32_t device_count,
                                                ANeuralNetworksCompilation **compilation) {
    REQUIRE(ANeuralNetworksCompilation_createForDevices);
    if (model == NULL || devices == NULL || compilation == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the model, the devices or the result is null");
    }
    int result = check_devices(devices, device_count, __func__);
    return result == ANEURALNETWORKS_NO_ERROR ? create(model, device_count, compilation, __func__) : result;
}

void ANeuralNetworksCompilation_free(ANeuralNetworksCompilation *compilation) {
    if (compilation != NULL) {
        atomic_store(&compilation->is_freed, true);
    }
    release_compilation(compilation);
}

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
    release_cached(compilation);
    release_model(compilation->model);
    free(compilation->cache_path);
    free(compilation);
    count_objects(-1);
}

static int check_settable(const ANeuralNetworksCompilation *compilation, const char *function) {
    if (compilation == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, function, "the compilation is null");
    }
    if (compilation->is_finished) {
        return refuse(ANEURALNETWORKS_BAD_STATE, function, "the compilation is finished");
    }
    return ANEURALNETWORKS_NO_ERROR;
}

int check_one_device(const ANeuralNetworksCompilation *compilation, const char *function) {
    if (compilation->device_count != 1) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "the compilation was not made for one chosen device");
    }
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksCompilation_setPreference(ANeuralNetworksCompilation *compilation, int32_t preference) {
    int result = check_settable(compilation, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    if (preference < ANEURALNETWORKS_PREFER_LOW_POWER || preference > ANEURALNETWORKS_PREFER_SUSTAINED_SPEED) {
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "preference %d does not exist", (int)preference);
    }
    return ANEURALNETWORKS_NO_ERROR;
}

/* One program's executions are computed as they come, so that priorities change nothing here. */
int ANeuralNetworksCompilation_setPriority(ANeuralNetworksCompilation *compilation, int priority) {
    REQUIRE(ANeuralNetworksCompilation_setPriority);
    int result = check_settable(compilation, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    if (priority != ANEURALNETWORKS_PRIORITY_LOW && priority != ANEURALNETWORKS_PRIORITY_MEDIUM &&
        priority != ANEURALNETWORKS_PRIORITY_HIGH) {
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "priority %d does not exist", priority);
    }
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksCompilation_setTimeout(ANeuralNetworksCompilation *compilation, uint64_t duration) {
    REQUIRE(ANeuralNetworksCompilation_setTimeout);
    int result = check_settable(compilation, __func__);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = check_one_device(compilation, __func__);
    }
    if (result == ANEURALNETWORKS_NO_ERROR) {
        compilation->timeout = duration;
    }
    return result;
}

int ANeuralNetworksCompilation_finish(ANeuralNetworksCompilation *compilation) {
    int result = check_settable(compilation, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    result = check_model_kept(compilation->model, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    compilation->is_finished = true;
    uint64_t start = now();
    result = prepare_with_cache(compilation, __func__);
    compilation->is_prepared = result == ANEURALNETWORKS_NO_ERROR;
    if (compilation->is_prepared && compilation->timeout != 0 && now() - start > compilation->timeout) {
        call_release(HOST_RELEASE_COMPILATION, compilation->id);
        compilation->is_prepared = false;
        return refuse(ANEURALNETWORKS_MISSED_DEADLINE_TRANSIENT, __func__, "it took longer than %llu nanoseconds",
                      (unsigned long long)compilation->timeout);
    }
    return result;
}

static int prefer(const ANeuralNetworksCompilation *compilation, uint32_t index, bool is_output, uint32_t preferred,
                  uint32_t *place, const char *function) {
    if (compilation == NULL || place == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, function, "the compilation or the result is null");
    }
    if (!compilation->is_prepared) {
        return refuse(ANEURALNETWORKS_BAD_STATE, function, "the compilation is not finished, or failed");
    }
    const struct host_model *model = &compilation->model->view;
    uint32_t count = is_output ? model->output_count : model->input_count;
    if (index >= count) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "argument %u is asked for, and there are %u", index, count);
    }
    *place = preferred;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksCompilation_getPreferredMemoryAlignmentForInput(const ANeuralNetworksCompilation *compilation,
                                                                   uint32_t index, uint32_t *alignment) {
    REQUIRE(ANeuralNetworksCompilation_getPreferredMemoryAlignmentForInput);
    return prefer(compilation, index, false, PREFERRED_ALIGNMENT, alignment, __func__);
}

int ANeuralNetworksCompilation_getPreferredMemoryPaddingForInput(const ANeuralNetworksCompilation *compilation,
                                                                 uint32_t index, uint32_t *padding) {
    REQUIRE(ANeuralNetworksCompilation_getPreferredMemoryPaddingForInput);
    return prefer(compilation, index, false, PREFERRED_PADDING, padding, __func__);
}

int ANeuralNetworksCompilation_getPreferredMemoryAlignmentForOutput(const ANeuralNetworksCompilation *compilation,
                                                                    uint32_t index, uint32_t *alignment) {
    REQUIRE(ANeuralNetworksCompilation_getPreferredMemoryAlignmentForOutput);
    return prefer(compilation, index, true, PREFERRED_ALIGNMENT, alignment, __func__);
}

int ANeuralNetworksCompilation_getPreferredMemoryPaddingForOutput(const ANeuralNetworksCompilation *compilation,
                                                                  uint32_t index, uint32_t *padding) {
    REQUIRE(ANeuralNetworksCompilation_getPreferredMemoryPaddingForOutput);
    return prefer(compilation, index, true, PREFERRED_PADDING, padding, __func__);
}

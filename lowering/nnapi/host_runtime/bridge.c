/* The callbacks, the level that is played, and refusals in words. */

#include "state.h"

#include "remote.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic(const struct host_callbacks *) attached = NULL;
static atomic_int process_level = HOST_LEVEL;
static _Thread_local int32_t thread_level = 0;
static atomic_uint_fast64_t last_id = 0;
static atomic_int_fast64_t live_objects = 0;

/* Who answers: the callbacks of this process, or another process. Null where neither is there. */
static const struct host_callbacks *engine(void) {
    const struct host_callbacks *callbacks = atomic_load(&attached);
    return callbacks != NULL ? callbacks : remote_callbacks();
}

void nnapi_host_attach(const struct host_callbacks *callbacks) { atomic_store(&attached, callbacks); }

void nnapi_host_set_level(int32_t level) { atomic_store(&process_level, level); }

int32_t nnapi_host_set_thread_level(int32_t level) {
    int32_t previous = thread_level;
    thread_level = level;
    return previous;
}

int32_t nnapi_host_level(void) { return thread_level != 0 ? thread_level : atomic_load(&process_level); }

int64_t nnapi_host_live_objects(void) { return atomic_load(&live_objects); }

int refuse_as_absent(int32_t since, const char *function) {
    return refuse(ANEURALNETWORKS_BAD_STATE, function, "the function came with feature level %d, and this is level %d",
                  (int)since, (int)nnapi_host_level());
}

uint64_t next_id(void) { return atomic_fetch_add(&last_id, 1) + 1; }

void count_objects(int change) { atomic_fetch_add(&live_objects, change); }

int refuse(int code, const char *function, const char *format, ...) {
    const struct host_callbacks *callbacks = engine();
    if (callbacks == NULL) {
        return code;
    }
    char words[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    callbacks->refused(function, code, words);
    return code;
}

int call_finish_model(const struct host_model *model) {
    const struct host_callbacks *callbacks = engine();
    int32_t code = ANEURALNETWORKS_OP_FAILED;
    if (callbacks != NULL) {
        callbacks->finish_model(model, &code);
    }
    return code;
}

int call_supported_operations(uint64_t model_id, uint32_t count, uint8_t *supported) {
    const struct host_callbacks *callbacks = engine();
    int32_t code = ANEURALNETWORKS_OP_FAILED;
    if (callbacks != NULL) {
        callbacks->supported_operations(model_id, count, supported, &code);
    }
    return code;
}

int call_prepare(uint64_t compilation_id, uint64_t model_id) {
    const struct host_callbacks *callbacks = engine();
    int32_t code = ANEURALNETWORKS_OP_FAILED;
    if (callbacks != NULL) {
        callbacks->prepare(compilation_id, model_id, &code);
    }
    return code;
}

int call_execute(struct host_execution *execution) {
    const struct host_callbacks *callbacks = engine();
    int32_t code = ANEURALNETWORKS_OP_FAILED;
    if (callbacks != NULL) {
        callbacks->execute(execution, &code);
    }
    return code;
}

void call_release(int32_t what, uint64_t id) {
    const struct host_callbacks *callbacks = engine();
    if (callbacks != NULL) {
        callbacks->release(what, id);
    }
}

uint32_t larger_capacity(uint32_t capacity) {
    if (capacity == 0) {
        return 16;
    }
    return capacity > UINT32_MAX / 2 ? UINT32_MAX : 2 * capacity;
}

bool copy_array(void **copy, const void *data, size_t count, size_t size) {
    *copy = NULL;
    if (count == 0) {
        return true;
    }
    *copy = calloc(count, size);
    if (*copy == NULL) {
        return false;
    }
    memcpy(*copy, data, count * size);
    return true;
}

/* What can be set of an execution beside its arguments, and how long it took. */

#include "state.h"

#define DEFAULT_LOOP_TIMEOUT 2000000000u

int check_being_set(const ANeuralNetworksExecution *execution, const char *function) {
    if (execution == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, function, "the execution is null");
    }
    if (atomic_load(&execution->state) != EXECUTION_BEING_SET) {
        return refuse(ANEURALNETWORKS_BAD_STATE, function, "the execution has started");
    }
    return ANEURALNETWORKS_NO_ERROR;
}

/* Null first, then the devices, then the state, as Android does. */
static int check_timed(const ANeuralNetworksExecution *execution, const char *function) {
    if (execution == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, function, "the execution is null");
    }
    int result = check_one_device(execution->compilation, function);
    return result == ANEURALNETWORKS_NO_ERROR ? check_being_set(execution, function) : result;
}

uint64_t ANeuralNetworks_getDefaultLoopTimeout(void) {
    int32_t since = SINCE_ANeuralNetworks_getDefaultLoopTimeout;
    if (nnapi_host_level() < since) {
        refuse_as_absent(since, __func__);
        return 0;
    }
    return DEFAULT_LOOP_TIMEOUT;
}

uint64_t ANeuralNetworks_getMaximumLoopTimeout(void) {
    int32_t since = SINCE_ANeuralNetworks_getMaximumLoopTimeout;
    if (nnapi_host_level() < since) {
        refuse_as_absent(since, __func__);
        return 0;
    }
    return MAXIMUM_LOOP_TIMEOUT;
}

int ANeuralNetworksExecution_setMeasureTiming(ANeuralNetworksExecution *execution, bool measure) {
    REQUIRE(ANeuralNetworksExecution_setMeasureTiming);
    int result = check_timed(execution, __func__);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        execution->measures_timing = measure;
    }
    return result;
}

int ANeuralNetworksExecution_setTimeout(ANeuralNetworksExecution *execution, uint64_t duration) {
    REQUIRE(ANeuralNetworksExecution_setTimeout);
    int result = check_timed(execution, __func__);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        execution->timeout = duration;
    }
    return result;
}

int ANeuralNetworksExecution_setLoopTimeout(ANeuralNetworksExecution *execution, uint64_t duration) {
    REQUIRE(ANeuralNetworksExecution_setLoopTimeout);
    int result = check_being_set(execution, __func__);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        execution->view.loop_timeout = duration > MAXIMUM_LOOP_TIMEOUT ? MAXIMUM_LOOP_TIMEOUT : duration;
    }
    return result;
}

int ANeuralNetworksExecution_setReusable(ANeuralNetworksExecution *execution, bool reusable) {
    REQUIRE(ANeuralNetworksExecution_setReusable);
    int result = check_being_set(execution, __func__);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        execution->is_reusable = reusable;
    }
    return result;
}

int ANeuralNetworksExecution_enableInputAndOutputPadding(ANeuralNetworksExecution *execution, bool enable) {
    REQUIRE(ANeuralNetworksExecution_enableInputAndOutputPadding);
    int result = check_being_set(execution, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    if (execution->has_arguments) {
        return refuse(ANEURALNETWORKS_BAD_STATE, __func__, "an input or output is set already");
    }
    execution->is_padded = enable;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksExecution_getDuration(const ANeuralNetworksExecution *execution, int32_t code,
                                         uint64_t *duration) {
    REQUIRE(ANeuralNetworksExecution_getDuration);
    if (execution == NULL || duration == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the execution or the result is null");
    }
    *duration = UINT64_MAX;
    if (code < ANEURALNETWORKS_DURATION_ON_HARDWARE || code > ANEURALNETWORKS_FENCED_DURATION_IN_DRIVER) {
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "duration %d does not exist", (int)code);
    }
    if (atomic_load(&execution->state) != EXECUTION_DONE || execution->result != ANEURALNETWORKS_NO_ERROR) {
        return refuse(ANEURALNETWORKS_BAD_STATE, __func__, "the execution has not been computed, or failed");
    }
    if (!execution->measures_timing) {
        return refuse(ANEURALNETWORKS_BAD_STATE, __func__, "the execution was not measured");
    }
    *duration = execution->duration;
    return ANEURALNETWORKS_NO_ERROR;
}

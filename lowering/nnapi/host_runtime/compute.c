/* Running an execution, in a burst or not, and what can be asked afterwards. */

#define _POSIX_C_SOURCE 200809L

#include "state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static int check_complete(const ANeuralNetworksExecution *execution, const char *function) {
    const struct host_execution *view = &execution->view;
    for (uint32_t i = 0; i < view->input_count + view->output_count; i++) {
        if (view->inputs[i].state == HOST_ARGUMENT_UNSET) {
            bool is_input = i < view->input_count;
            return refuse(ANEURALNETWORKS_BAD_DATA, function, "%s %u is not set", is_input ? "input" : "output",
                          is_input ? i : i - view->input_count);
        }
    }
    return ANEURALNETWORKS_NO_ERROR;
}

uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* A memory that was made for roles holds nothing until something was written to it. */
static int check_memories(const ANeuralNetworksExecution *execution, const char *function) {
    for (uint32_t i = 0; i < execution->view.input_count; i++) {
        const ANeuralNetworksMemory *memory = execution->memories[i];
        if (memory != NULL && memory->is_for_roles && !atomic_load(&memory->is_initialized)) {
            return refuse(ANEURALNETWORKS_OP_FAILED, function, "the memory of input %u was never written", i);
        }
    }
    return ANEURALNETWORKS_NO_ERROR;
}

int finish_execution(ANeuralNetworksExecution *execution, int result) {
    const struct host_execution *view = &execution->view;
    for (uint32_t i = view->input_count; i < view->input_count + view->output_count; i++) {
        if (execution->memories[i] != NULL && execution->memories[i]->is_for_roles) {
            atomic_store(&execution->memories[i]->is_initialized, result == ANEURALNETWORKS_NO_ERROR);
        }
    }
    execution->result = result;
    atomic_store(&execution->state, EXECUTION_DONE);
    return result;
}

int begin_execution(ANeuralNetworksExecution *execution, const char *function) {
    int expected = EXECUTION_BEING_SET;
    if (!atomic_compare_exchange_strong(&execution->state, &expected, EXECUTION_RUNNING)) {
        bool is_again = expected == EXECUTION_DONE && execution->is_reusable;
        if (!is_again || !atomic_compare_exchange_strong(&execution->state, &expected, EXECUTION_RUNNING)) {
            return refuse(ANEURALNETWORKS_BAD_STATE, function, "the execution %s",
                          expected == EXECUTION_RUNNING ? "is under way" : "has been computed");
        }
    }
    int result = check_execution_kept(execution, function);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = check_complete(execution, function);
    }
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = check_memories(execution, function);
    }
    return result == ANEURALNETWORKS_NO_ERROR ? result : finish_execution(execution, result);
}

int run_execution(ANeuralNetworksExecution *execution, uint64_t timeout, const char *function) {
    uint64_t start = now();
    int result = call_execute(&execution->view);
    execution->duration = now() - start;
    if (result == ANEURALNETWORKS_NO_ERROR && timeout != 0 && execution->duration > timeout) {
        result = refuse(ANEURALNETWORKS_MISSED_DEADLINE_TRANSIENT, function, "it took longer than %llu nanoseconds",
                        (unsigned long long)timeout);
    }
    return finish_execution(execution, result);
}

int ANeuralNetworksExecution_compute(ANeuralNetworksExecution *execution) {
    REQUIRE(ANeuralNetworksExecution_compute);
    if (execution == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the execution is null");
    }
    int result = begin_execution(execution, __func__);
    return result == ANEURALNETWORKS_NO_ERROR ? run_execution(execution, execution->timeout, __func__) : result;
}

struct ANeuralNetworksBurst {
    ANeuralNetworksCompilation *compilation;
    atomic_flag is_busy;
};

int ANeuralNetworksBurst_create(ANeuralNetworksCompilation *compilation, ANeuralNetworksBurst **burst) {
    REQUIRE(ANeuralNetworksBurst_create);
    if (compilation == NULL || burst == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the compilation or the result is null");
    }
    *burst = NULL;
    if (!compilation->is_prepared) {
        return refuse(ANEURALNETWORKS_BAD_STATE, __func__, "the compilation is not finished, or failed");
    }
    ANeuralNetworksBurst *created = calloc(1, sizeof *created);
    if (created == NULL) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    created->compilation = hold_compilation(compilation);
    atomic_flag_clear(&created->is_busy);
    count_objects(1);
    *burst = created;
    return ANEURALNETWORKS_NO_ERROR;
}

void ANeuralNetworksBurst_free(ANeuralNetworksBurst *burst) {
    if (burst != NULL) {
        release_compilation(burst->compilation);
        free(burst);
        count_objects(-1);
    }
}

int ANeuralNetworksExecution_burstCompute(ANeuralNetworksExecution *execution, ANeuralNetworksBurst *burst) {
    REQUIRE(ANeuralNetworksExecution_burstCompute);
    if (execution == NULL || burst == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the execution or the burst is null");
    }
    if (execution->compilation != burst->compilation) {
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "execution and burst are of different compilations");
    }
    if (atomic_flag_test_and_set(&burst->is_busy)) {
        return refuse(ANEURALNETWORKS_BAD_STATE, __func__, "another execution of the burst is under way");
    }
    int result = begin_execution(execution, __func__);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = run_execution(execution, execution->timeout, __func__);
    }
    atomic_flag_clear(&burst->is_busy);
    return result;
}

/* The output that is asked for, if the execution has come far enough to tell its shape. */
static int find_output(const ANeuralNetworksExecution *execution, int32_t index, const struct host_argument **output,
                       const char *function) {
    if (atomic_load(&execution->state) != EXECUTION_DONE) {
        return refuse(ANEURALNETWORKS_BAD_STATE, function, "the execution has not been computed");
    }
    if (execution->result != ANEURALNETWORKS_NO_ERROR &&
        execution->result != ANEURALNETWORKS_OUTPUT_INSUFFICIENT_SIZE) {
        return refuse(ANEURALNETWORKS_BAD_STATE, function, "the execution failed with code %d", execution->result);
    }
    if (index < 0 || (uint32_t)index >= execution->view.output_count) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "output %d is asked for, and there are %u", (int)index,
                      execution->view.output_count);
    }
    *output = &execution->view.outputs[index];
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksExecution_getOutputOperandRank(ANeuralNetworksExecution *execution, int32_t index,
                                                  uint32_t *rank) {
    REQUIRE(ANeuralNetworksExecution_getOutputOperandRank);
    if (execution == NULL || rank == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the execution or the result is null");
    }
    const struct host_argument *output;
    int result = find_output(execution, index, &output, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    *rank = output->rank;
    return output->is_sufficient ? ANEURALNETWORKS_NO_ERROR : ANEURALNETWORKS_OUTPUT_INSUFFICIENT_SIZE;
}

int ANeuralNetworksExecution_getOutputOperandDimensions(ANeuralNetworksExecution *execution, int32_t index,
                                                        uint32_t *dimensions) {
    REQUIRE(ANeuralNetworksExecution_getOutputOperandDimensions);
    if (execution == NULL || dimensions == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the execution or the result is null");
    }
    const struct host_argument *output;
    int result = find_output(execution, index, &output, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    if (output->rank == 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "output %d is a scalar", (int)index);
    }
    memcpy(dimensions, output->dimensions, output->rank * sizeof *dimensions);
    return output->is_sufficient ? ANEURALNETWORKS_NO_ERROR : ANEURALNETWORKS_OUTPUT_INSUFFICIENT_SIZE;
}

int nnapi_host_write_output(struct host_execution *execution, uint32_t index, uint32_t rank,
                            const uint32_t *dimensions, const void *data, uint64_t length) {
    if (execution == NULL || index >= execution->output_count) {
        return ANEURALNETWORKS_BAD_DATA;
    }
    struct host_argument *output = &execution->outputs[index];
    void *copied;
    if (!copy_array(&copied, dimensions, rank, sizeof *dimensions)) {
        return ANEURALNETWORKS_OUT_OF_MEMORY;
    }
    free(output->dimensions);
    output->dimensions = copied;
    output->rank = rank;
    output->is_sufficient = length <= output->length;
    if (!output->is_sufficient) {
        return ANEURALNETWORKS_OUTPUT_INSUFFICIENT_SIZE;
    }
    if (length > 0) {
        memcpy(output->data, data, length);
    }
    return ANEURALNETWORKS_NO_ERROR;
}

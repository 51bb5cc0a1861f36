/* Running an execution, and what can be asked afterwards. */

#include "state.h"

#include <stdlib.h>
#include <string.h>

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

/* Whether the execution could be taken by this call, which then computes. */
static int start(ANeuralNetworksExecution *execution, const char *function) {
    int expected = EXECUTION_BEING_SET;
    if (!atomic_compare_exchange_strong(&execution->state, &expected, EXECUTION_RUNNING)) {
        return refuse(ANEURALNETWORKS_BAD_STATE, function, "the execution %s",
                      expected == EXECUTION_RUNNING ? "is under way" : "has been computed");
    }
    return ANEURALNETWORKS_NO_ERROR;
}

static int run(ANeuralNetworksExecution *execution, const char *function) {
    int result = check_complete(execution, function);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = call_execute(&execution->view);
    }
    execution->result = result;
    atomic_store(&execution->state, EXECUTION_DONE);
    return result;
}

int ANeuralNetworksExecution_compute(ANeuralNetworksExecution *execution) {
    REQUIRE(ANeuralNetworksExecution_compute);
    if (execution == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the execution is null");
    }
    int result = start(execution, __func__);
    return result == ANEURALNETWORKS_NO_ERROR ? run(execution, __func__) : result;
}

/* The event is over when it is handed out: NNAPI allows it, and no thread outlives its caller. */
int ANeuralNetworksExecution_startCompute(ANeuralNetworksExecution *execution, ANeuralNetworksEvent **event) {
    if (event == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the event has no place");
    }
    *event = NULL;
    if (execution == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the execution is null");
    }
    ANeuralNetworksEvent *created = calloc(1, sizeof *created);
    if (created == NULL) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    int result = start(execution, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        free(created);
        return result;
    }
    created->result = run(execution, __func__);
    count_objects(1);
    *event = created;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksEvent_wait(ANeuralNetworksEvent *event) {
    if (event == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the event is null");
    }
    return event->result;
}

void ANeuralNetworksEvent_free(ANeuralNetworksEvent *event) {
    if (event != NULL) {
        free(event);
        count_objects(-1);
    }
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

/* What NNAPI obliges its caller to keep, and whether it was kept. A phone would read what is no more. */

#include <string.h>

#include "state.h"

static int refuse_freed(const char *what, const char *function) {
    return refuse(ANEURALNETWORKS_BAD_STATE, function, "%s was freed while it is in use, which no phone allows", what);
}

/* Read the ends of a value in the caller's memory by a call, at which sanitizers look even where this library was built
   without them. */
static void touch(const uint8_t *value, uint64_t length) {
    static const volatile size_t one = 1;
    uint8_t ends[2];
    memcpy(ends, value, one);
    memcpy(ends + 1, value + length - 1, one);
    volatile uint8_t used = ends[0] ^ ends[1];
    (void)used;
}

int check_model_kept(const ANeuralNetworksModel *model, const char *function) {
    if (atomic_load(&model->is_freed)) {
        return refuse_freed("a model", function);
    }
    for (uint32_t i = 0; i < model->view.operand_count; i++) {
        const struct operand_owner *owner = &model->owners[i];
        const struct host_operand *operand = &model->view.operands[i];
        if (owner->memory != NULL && atomic_load(&owner->memory->is_freed)) {
            return refuse_freed("the memory of a constant", function);
        }
        if (owner->model != NULL) {
            int result = check_model_kept(owner->model, function);
            if (result != ANEURALNETWORKS_NO_ERROR) {
                return result;
            }
        }
        if (operand->source == HOST_SOURCE_BORROWED && owner->memory == NULL) {
            touch(operand->value, operand->length);
        }
    }
    return ANEURALNETWORKS_NO_ERROR;
}

int check_execution_kept(const ANeuralNetworksExecution *execution, const char *function) {
    if (atomic_load(&execution->compilation->is_freed)) {
        return refuse_freed("the compilation", function);
    }
    for (uint32_t i = 0; i < execution->view.input_count + execution->view.output_count; i++) {
        if (execution->memories[i] != NULL && atomic_load(&execution->memories[i]->is_freed)) {
            return refuse_freed("the memory of an input or output", function);
        }
    }
    return check_model_kept(execution->compilation->model, function);
}

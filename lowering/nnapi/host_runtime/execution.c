/* Executions and their arguments. */

#include "state.h"

#include <stdlib.h>
#include <string.h>

/* What NNAPI's header says of setOutput: before, an output's dimensions had to be known. */
#define FIRST_LEVEL_WITH_OPEN_OUTPUTS 3

static void free_execution(ANeuralNetworksExecution *execution) {
    struct host_execution *view = &execution->view;
    uint32_t count = view->input_count + view->output_count;
    for (uint32_t i = 0; view->inputs != NULL && i < count; i++) {
        free(view->inputs[i].dimensions);
    }
    for (uint32_t i = 0; execution->memories != NULL && i < count; i++) {
        release_memory(execution->memories[i]);
    }
    free(view->inputs);
    free(execution->memories);
    release_compilation(execution->compilation);
    free(execution);
}

int ANeuralNetworksExecution_create(ANeuralNetworksCompilation *compilation, ANeuralNetworksExecution **execution) {
    if (compilation == NULL || execution == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the compilation or the result is null");
    }
    *execution = NULL;
    if (!compilation->is_prepared) {
        return refuse(ANEURALNETWORKS_BAD_STATE, __func__, "the compilation is not finished, or failed");
    }
    ANeuralNetworksExecution *created = calloc(1, sizeof *created);
    if (created == NULL) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    const struct host_model *model = &compilation->model->view;
    size_t count = (size_t)model->input_count + model->output_count;
    created->compilation = hold_compilation(compilation);
    created->view.compilation_id = compilation->id;
    created->view.loop_timeout = MAXIMUM_LOOP_TIMEOUT;
    created->view.input_count = model->input_count;
    created->view.output_count = model->output_count;
    created->view.inputs = calloc(count, sizeof *created->view.inputs);
    created->memories = calloc(count, sizeof *created->memories);
    atomic_init(&created->state, EXECUTION_BEING_SET);
    if (created->view.inputs == NULL || created->memories == NULL) {
        free_execution(created);
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    created->view.outputs = created->view.inputs + model->input_count;
    count_objects(1);
    *execution = created;
    return ANEURALNETWORKS_NO_ERROR;
}

void ANeuralNetworksExecution_free(ANeuralNetworksExecution *execution) {
    if (execution == NULL) {
        return;
    }
    if (atomic_load(&execution->state) == EXECUTION_RUNNING) {
        refuse(ANEURALNETWORKS_BAD_STATE, __func__, "the execution is under way, and stays");
        return;
    }
    free_execution(execution);
    count_objects(-1);
}

static int check_settable(const ANeuralNetworksExecution *execution, const struct host_argument *arguments,
                          uint32_t count, int32_t index, const char *function) {
    int result = check_being_set(execution, function);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    if (index < 0 || (uint32_t)index >= count) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "argument %d is set, and there are %u", (int)index, count);
    }
    if (arguments[index].state != HOST_ARGUMENT_UNSET) {
        return refuse(ANEURALNETWORKS_BAD_STATE, function, "argument %d is set already", (int)index);
    }
    return ANEURALNETWORKS_NO_ERROR;
}

/* Whether a type given at execution agrees with the operand's own. */
static int check_type(const struct host_operand *operand, const ANeuralNetworksOperandType *type, int32_t index,
                      const char *function) {
    if (type == NULL) {
        return ANEURALNETWORKS_NO_ERROR;
    }
    int result = check_operand_type(type, function);
    if (result != ANEURALNETWORKS_NO_ERROR || operand->rank == 0) {
        return result;
    }
    if (operand->rank != type->dimensionCount) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "argument %d has rank %u, wanted %u", (int)index,
                      type->dimensionCount, operand->rank);
    }
    for (uint32_t i = 0; i < operand->rank; i++) {
        if (operand->dimensions[i] != 0 && operand->dimensions[i] != type->dimensions[i]) {
            return refuse(ANEURALNETWORKS_BAD_DATA, function, "argument %d has dimension %u of %u, wanted %u",
                          (int)index, i, type->dimensions[i], operand->dimensions[i]);
        }
    }
    return ANEURALNETWORKS_NO_ERROR;
}

/* Store where an argument lies. An output may have dimensions that only the computation tells. What lies behind the
   end of a padded input is not read. */
static int set_argument(ANeuralNetworksExecution *execution, struct host_argument *argument,
                        const struct host_operand *operand, const ANeuralNetworksOperandType *type, void *data,
                        size_t length, bool is_output, int32_t index, const char *function) {
    const uint32_t *dimensions = type == NULL ? operand->dimensions : type->dimensions;
    uint32_t rank = type == NULL ? operand->rank : type->dimensionCount;
    uint64_t wanted = size_of_value(operand->type, rank, dimensions);
    if (wanted == 0 && !is_output) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "input %d has unspecified dimensions", (int)index);
    }
    if (wanted == 0 && execution->compilation->model->view.level < FIRST_LEVEL_WITH_OPEN_OUTPUTS) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "output %d has unspecified dimensions, wanted none before level %d",
                      (int)index, FIRST_LEVEL_WITH_OPEN_OUTPUTS);
    }
    bool fits = execution->is_padded ? length >= wanted : length == wanted;
    if (length > UINT32_MAX || (wanted != 0 && !fits)) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "argument %d is given %zu bytes, wanted %llu", (int)index,
                      length, (unsigned long long)wanted);
    }
    void *copied;
    if (!copy_array(&copied, dimensions, rank, sizeof(uint32_t))) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, function, "no memory is left");
    }
    argument->state = HOST_ARGUMENT_GIVEN;
    argument->rank = rank;
    argument->dimensions = copied;
    argument->data = data;
    argument->length = is_output ? length : wanted;
    execution->has_arguments = true;
    return ANEURALNETWORKS_NO_ERROR;
}

static int set_from_pointer(ANeuralNetworksExecution *execution, int32_t index,
                            const ANeuralNetworksOperandType *type, void *buffer, size_t length, bool is_output,
                            const char *function) {
    if (execution == NULL || (buffer == NULL && length != 0)) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, function, "the execution or the buffer is null");
    }
    const struct host_model *model = &execution->compilation->model->view;
    struct host_argument *arguments = is_output ? execution->view.outputs : execution->view.inputs;
    uint32_t count = is_output ? model->output_count : model->input_count;
    int result = check_settable(execution, arguments, count, index, function);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    if (buffer == NULL) {
        arguments[index].state = HOST_ARGUMENT_OMITTED;
        execution->has_arguments = true;
        return ANEURALNETWORKS_NO_ERROR;
    }
    if (length == 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "argument %d is given 0 bytes", (int)index);
    }
    const struct host_operand *operand = &model->operands[is_output ? model->outputs[index] : model->inputs[index]];
    result = check_type(operand, type, index, function);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    return set_argument(execution, &arguments[index], operand, type, buffer, length, is_output, index, function);
}

static int set_from_memory(ANeuralNetworksExecution *execution, int32_t index, const ANeuralNetworksOperandType *type,
                           const ANeuralNetworksMemory *memory, size_t offset, size_t length, bool is_output,
                           const char *function) {
    if (execution == NULL || memory == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, function, "the execution or the memory is null");
    }
    const struct memory_role role = {execution->compilation, is_output, (uint32_t)index};
    int result = check_role(memory, &role, offset, length, function);
    if (result == ANEURALNETWORKS_NO_ERROR && memory->is_for_roles) {
        length = memory->size;
    }
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = check_range(memory, offset, length, function);
    }
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    if (is_output && !memory->is_writable) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "the memory of an output is not mapped for writing");
    }
    result = set_from_pointer(execution, index, type, memory->data + offset, length, is_output, function);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        uint32_t place = (uint32_t)index + (is_output ? execution->view.input_count : 0);
        execution->memories[place] = hold_memory(memory);
    }
    return result;
}

int ANeuralNetworksExecution_setInput(ANeuralNetworksExecution *execution, int32_t index,
                                      const ANeuralNetworksOperandType *type, const void *buffer, size_t length) {
    return set_from_pointer(execution, index, type, (void *)buffer, length, false, __func__);
}

int ANeuralNetworksExecution_setInputFromMemory(ANeuralNetworksExecution *execution, int32_t index,
                                                const ANeuralNetworksOperandType *type,
                                                const ANeuralNetworksMemory *memory, size_t offset, size_t length) {
    return set_from_memory(execution, index, type, memory, offset, length, false, __func__);
}

int ANeuralNetworksExecution_setOutput(ANeuralNetworksExecution *execution, int32_t index,
                                       const ANeuralNetworksOperandType *type, void *buffer, size_t length) {
    return set_from_pointer(execution, index, type, buffer, length, true, __func__);
}

int ANeuralNetworksExecution_setOutputFromMemory(ANeuralNetworksExecution *execution, int32_t index,
                                                 const ANeuralNetworksOperandType *type,
                                                 const ANeuralNetworksMemory *memory, size_t offset, size_t length) {
    return set_from_memory(execution, index, type, memory, offset, length, true, __func__);
}

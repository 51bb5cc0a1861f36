/* Operations, inputs and outputs of a model, and its completion. Whether it obeys NNAPI is for a callback to say. */

#define _GNU_SOURCE

#include "state.h"

#include <stdlib.h>
#include <string.h>

static int check_indices(const ANeuralNetworksModel *model, uint32_t count, const uint32_t *indices,
                         const char *function) {
    for (uint32_t i = 0; i < count; i++) {
        if (indices[i] >= model->view.operand_count) {
            return refuse(ANEURALNETWORKS_BAD_DATA, function, "operand %u is named, and there are %u", indices[i],
                          model->view.operand_count);
        }
    }
    return ANEURALNETWORKS_NO_ERROR;
}

/* What addOperation and identifyInputsAndOutputs demand of their two lists. */
static int check_lists(const ANeuralNetworksModel *model, uint32_t input_count, const uint32_t *inputs,
                       uint32_t output_count, const uint32_t *outputs, const char *function) {
    if (model == NULL || inputs == NULL || outputs == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, function, "the model or a list is null");
    }
    int result = check_open(model, function);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    if (input_count == 0 || output_count == 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "%u inputs and %u outputs are given, wanted some of both",
                      input_count, output_count);
    }
    result = check_indices(model, input_count, inputs, function);
    return result == ANEURALNETWORKS_NO_ERROR ? check_indices(model, output_count, outputs, function) : result;
}

static bool copy_lists(uint32_t input_count, const uint32_t *inputs, uint32_t output_count, const uint32_t *outputs,
                       uint32_t **copied_inputs, uint32_t **copied_outputs) {
    void *first;
    void *second;
    if (!copy_array(&first, inputs, input_count, sizeof(uint32_t))) {
        return false;
    }
    if (!copy_array(&second, outputs, output_count, sizeof(uint32_t))) {
        free(first);
        return false;
    }
    *copied_inputs = first;
    *copied_outputs = second;
    return true;
}

static bool grow_operations(ANeuralNetworksModel *model) {
    if (model->view.operation_count < model->operation_capacity) {
        return true;
    }
    uint32_t capacity = larger_capacity(model->operation_capacity);
    struct host_operation *operations = reallocarray(model->view.operations, capacity, sizeof *operations);
    if (operations == NULL) {
        return false;
    }
    model->view.operations = operations;
    model->operation_capacity = capacity;
    return true;
}

int ANeuralNetworksModel_addOperation(ANeuralNetworksModel *model, ANeuralNetworksOperationType type,
                                      uint32_t input_count, const uint32_t *inputs, uint32_t output_count,
                                      const uint32_t *outputs) {
    int result = check_lists(model, input_count, inputs, output_count, outputs, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    struct host_operation added = {.code = type, .input_count = input_count, .output_count = output_count};
    if (!grow_operations(model) ||
        !copy_lists(input_count, inputs, output_count, outputs, &added.inputs, &added.outputs)) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    model->view.operations[model->view.operation_count++] = added;
    return ANEURALNETWORKS_NO_ERROR;
}

/* Mark operands as inputs or outputs; on failure those before the culprit are marked back. */
static int mark(ANeuralNetworksModel *model, uint32_t count, const uint32_t *indices, int32_t source,
                const char *function) {
    struct host_operand *operands = model->view.operands;
    for (uint32_t i = 0; i < count; i++) {
        if (operands[indices[i]].source == HOST_SOURCE_COMPUTED) {
            operands[indices[i]].source = source;
            continue;
        }
        for (uint32_t j = 0; j < i; j++) {
            operands[indices[j]].source = HOST_SOURCE_COMPUTED;
        }
        return refuse(ANEURALNETWORKS_BAD_DATA, function,
                      "operand %u is a constant, omitted, or an input or output already", indices[i]);
    }
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksModel_identifyInputsAndOutputs(ANeuralNetworksModel *model, uint32_t input_count,
                                                  const uint32_t *inputs, uint32_t output_count,
                                                  const uint32_t *outputs) {
    int result = check_lists(model, input_count, inputs, output_count, outputs, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    if (model->view.inputs != NULL) {
        return refuse(ANEURALNETWORKS_BAD_STATE, __func__, "inputs and outputs are identified already");
    }
    uint32_t *copied_inputs;
    uint32_t *copied_outputs;
    if (!copy_lists(input_count, inputs, output_count, outputs, &copied_inputs, &copied_outputs)) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    result = mark(model, input_count, inputs, HOST_SOURCE_INPUT, __func__);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = mark(model, output_count, outputs, HOST_SOURCE_OUTPUT, __func__);
        for (uint32_t i = 0; result != ANEURALNETWORKS_NO_ERROR && i < input_count; i++) {
            model->view.operands[inputs[i]].source = HOST_SOURCE_COMPUTED;
        }
    }
    if (result != ANEURALNETWORKS_NO_ERROR) {
        free(copied_inputs);
        free(copied_outputs);
        return result;
    }
    model->view.inputs = copied_inputs;
    model->view.input_count = input_count;
    model->view.outputs = copied_outputs;
    model->view.output_count = output_count;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksModel_relaxComputationFloat32toFloat16(ANeuralNetworksModel *model, bool allow) {
    REQUIRE(ANeuralNetworksModel_relaxComputationFloat32toFloat16);
    if (model == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the model is null");
    }
    int result = check_open(model, __func__);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        model->view.is_relaxed = allow ? 1 : 0;
    }
    return result;
}

/* Whether inputs and outputs are identified, and none of them was given a value since. */
static int check_arguments(const ANeuralNetworksModel *model, const char *function) {
    const struct host_model *view = &model->view;
    if (view->input_count == 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "inputs and outputs are not identified");
    }
    for (uint32_t i = 0; i < view->input_count; i++) {
        if (view->operands[view->inputs[i]].source != HOST_SOURCE_INPUT) {
            return refuse(ANEURALNETWORKS_BAD_DATA, function, "input operand %u has a value", view->inputs[i]);
        }
    }
    for (uint32_t i = 0; i < view->output_count; i++) {
        if (view->operands[view->outputs[i]].source != HOST_SOURCE_OUTPUT) {
            return refuse(ANEURALNETWORKS_BAD_DATA, function, "output operand %u has a value", view->outputs[i]);
        }
    }
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksModel_finish(ANeuralNetworksModel *model) {
    if (model == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the model is null");
    }
    int result = check_open(model, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    result = check_arguments(model, __func__);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = call_finish_model(&model->view);
    }
    model->is_finished = result == ANEURALNETWORKS_NO_ERROR;
    model->is_invalid = !model->is_finished;
    return result;
}

int ANeuralNetworksModel_getSupportedOperationsForDevices(const ANeuralNetworksModel *model,
                                                          const ANeuralNetworksDevice *const *devices,
                                                          uint32_t device_count, bool *supported) {
    REQUIRE(ANeuralNetworksModel_getSupportedOperationsForDevices);
    if (model == NULL || devices == NULL || supported == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the model, the devices or the result is null");
    }
    int result = check_devices(devices, device_count, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    if (!model->is_finished) {
        return refuse(ANEURALNETWORKS_BAD_STATE, __func__, "the model is not finished");
    }
    uint32_t count = model->view.operation_count;
    uint8_t *answers = calloc(count == 0 ? 1 : count, 1);
    if (answers == NULL) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    result = call_supported_operations(model->view.id, count, answers);
    for (uint32_t i = 0; i < count; i++) {
        supported[i] = result == ANEURALNETWORKS_NO_ERROR && answers[i] != 0;
    }
    free(answers);
    return result;
}

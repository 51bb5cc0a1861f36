/* Models and their operands. */

#define _GNU_SOURCE

#include "state.h"

#include <stdlib.h>
#include <string.h>

int ANeuralNetworksModel_create(ANeuralNetworksModel **model) {
    if (model == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the result has no place");
    }
    *model = calloc(1, sizeof **model);
    if (*model == NULL) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    (*model)->view.id = next_id();
    (*model)->view.level = nnapi_host_level();
    atomic_init(&(*model)->references, 1);
    count_objects(1);
    return ANEURALNETWORKS_NO_ERROR;
}

void ANeuralNetworksModel_free(ANeuralNetworksModel *model) {
    if (model != NULL) {
        atomic_store(&model->is_freed, true);
    }
    release_model(model);
}

ANeuralNetworksModel *hold_model(const ANeuralNetworksModel *model) {
    ANeuralNetworksModel *held = (ANeuralNetworksModel *)model;
    atomic_fetch_add(&held->references, 1);
    return held;
}

static void drop_value(ANeuralNetworksModel *model, uint32_t index) {
    struct host_operand *operand = &model->view.operands[index];
    struct operand_owner *owner = &model->owners[index];
    free(owner->copied);
    release_memory(owner->memory);
    release_model(owner->model);
    memset(owner, 0, sizeof *owner);
    operand->value = NULL;
    operand->length = 0;
    operand->model_id = 0;
}

void release_model(ANeuralNetworksModel *model) {
    if (model == NULL || atomic_fetch_sub(&model->references, 1) != 1) {
        return;
    }
    if (model->is_finished) {
        call_release(HOST_RELEASE_MODEL, model->view.id);
    }
    for (uint32_t i = 0; i < model->view.operand_count; i++) {
        drop_value(model, i);
        free(model->view.operands[i].dimensions);
        free(model->view.operands[i].channel_scales);
    }
    for (uint32_t i = 0; i < model->view.operation_count; i++) {
        free(model->view.operations[i].inputs);
        free(model->view.operations[i].outputs);
    }
    free(model->view.operands);
    free(model->view.operations);
    free(model->view.inputs);
    free(model->view.outputs);
    free(model->owners);
    free(model);
    count_objects(-1);
}

int check_open(const ANeuralNetworksModel *model, const char *function) {
    if (model->is_finished || model->is_invalid) {
        return refuse(ANEURALNETWORKS_BAD_STATE, function, "the model is %s",
                      model->is_finished ? "finished" : "invalid");
    }
    return ANEURALNETWORKS_NO_ERROR;
}

static int check_index(const ANeuralNetworksModel *model, int32_t index, const char *function) {
    if (index < 0 || (uint32_t)index >= model->view.operand_count) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "operand %d is named, and there are %u", (int)index,
                      model->view.operand_count);
    }
    return ANEURALNETWORKS_NO_ERROR;
}

/* Room for one more operand. */
static bool grow_operands(ANeuralNetworksModel *model) {
    if (model->view.operand_count < model->operand_capacity) {
        return true;
    }
    uint32_t capacity = larger_capacity(model->operand_capacity);
    struct host_operand *operands = reallocarray(model->view.operands, capacity, sizeof *operands);
    if (operands == NULL) {
        return false;
    }
    model->view.operands = operands;
    struct operand_owner *owners = reallocarray(model->owners, capacity, sizeof *owners);
    if (owners == NULL) {
        return false;
    }
    model->owners = owners;
    model->operand_capacity = capacity;
    return true;
}

int ANeuralNetworksModel_addOperand(ANeuralNetworksModel *model, const ANeuralNetworksOperandType *type) {
    if (model == NULL || type == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the model or the type is null");
    }
    int result = check_open(model, __func__);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = check_operand_type(type, __func__);
    }
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    void *dimensions;
    if (!grow_operands(model) ||
        !copy_array(&dimensions, type->dimensions, type->dimensionCount, sizeof(uint32_t))) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    model->view.operands[model->view.operand_count] = (struct host_operand){
        .type = type->type,
        .rank = type->dimensionCount,
        .dimensions = dimensions,
        .scale = type->scale,
        .zero_point = type->zeroPoint,
        .source = HOST_SOURCE_COMPUTED,
    };
    model->owners[model->view.operand_count] = (struct operand_owner){0};
    model->view.operand_count++;
    return ANEURALNETWORKS_NO_ERROR;
}

/* Whether a value of ``length`` bytes fits the operand exactly. */
static int check_length(const struct host_operand *operand, int32_t index, size_t length, const char *function) {
    uint64_t wanted = size_of_value(operand->type, operand->rank, operand->dimensions);
    if (is_tensor_type(operand->type) && wanted == 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "operand %d has unspecified dimensions", (int)index);
    }
    if (wanted != length) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "operand %d is given %zu bytes, wanted %llu", (int)index,
                      length, (unsigned long long)wanted);
    }
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksModel_setOperandValue(ANeuralNetworksModel *model, int32_t index, const void *buffer,
                                         size_t length) {
    if (model == NULL || (buffer == NULL && length != 0)) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the model or the value is null");
    }
    int result = check_open(model, __func__);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = check_index(model, index, __func__);
    }
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    struct host_operand *operand = &model->view.operands[index];
    if (buffer == NULL) {
        drop_value(model, (uint32_t)index);
        operand->source = HOST_SOURCE_OMITTED;
        return ANEURALNETWORKS_NO_ERROR;
    }
    if (length == 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "operand %d is given 0 bytes", (int)index);
    }
    result = check_length(operand, index, length, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    void *copied = NULL;
    bool is_small = length <= ANEURALNETWORKS_MAX_SIZE_OF_IMMEDIATELY_COPIED_VALUES;
    if (is_small && !copy_array(&copied, buffer, length, 1)) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    drop_value(model, (uint32_t)index);
    model->owners[index].copied = copied;
    operand->source = is_small ? HOST_SOURCE_COPIED : HOST_SOURCE_BORROWED;
    operand->value = is_small ? copied : buffer;
    operand->length = length;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksModel_setOperandValueFromMemory(ANeuralNetworksModel *model, int32_t index,
                                                   const ANeuralNetworksMemory *memory, size_t offset, size_t length) {
    if (model == NULL || memory == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the model or the memory is null");
    }
    int result = check_open(model, __func__);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = check_index(model, index, __func__);
    }
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = check_length(&model->view.operands[index], index, length, __func__);
    }
    if (result == ANEURALNETWORKS_NO_ERROR && memory->is_for_roles) {
        result = refuse(ANEURALNETWORKS_BAD_DATA, __func__, "the memory was made for inputs and outputs");
    }
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = check_range(memory, offset, length, __func__);
    }
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    ANeuralNetworksMemory *held = hold_memory(memory);
    drop_value(model, (uint32_t)index);
    model->owners[index].memory = held;
    model->view.operands[index].source = HOST_SOURCE_BORROWED;
    model->view.operands[index].value = memory->data + offset;
    model->view.operands[index].length = length;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksModel_setOperandValueFromModel(ANeuralNetworksModel *model, int32_t index,
                                                  const ANeuralNetworksModel *value) {
    REQUIRE(ANeuralNetworksModel_setOperandValueFromModel);
    if (model == NULL || value == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "a model is null");
    }
    int result = check_open(model, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    if (!value->is_finished) {
        return refuse(ANEURALNETWORKS_BAD_STATE, __func__, "the model that is referred to is not finished");
    }
    result = check_index(model, index, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    ANeuralNetworksModel *held = hold_model(value);
    drop_value(model, (uint32_t)index);
    model->owners[index].model = held;
    model->view.operands[index].source = HOST_SOURCE_MODEL;
    model->view.operands[index].model_id = value->view.id;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksModel_setOperandSymmPerChannelQuantParams(
    ANeuralNetworksModel *model, int32_t index, const ANeuralNetworksSymmPerChannelQuantParams *channels) {
    REQUIRE(ANeuralNetworksModel_setOperandSymmPerChannelQuantParams);
    if (model == NULL || channels == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the model or the parameters are null");
    }
    int result = check_open(model, __func__);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = check_index(model, index, __func__);
    }
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    struct host_operand *operand = &model->view.operands[index];
    if (operand->type != ANEURALNETWORKS_TENSOR_QUANT8_SYMM_PER_CHANNEL) {
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "operand %d has type %d, wanted 11", (int)index,
                      (int)operand->type);
    }
    if (channels->channelDim >= operand->rank) {
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "the channels lie in dimension %u of %u",
                      channels->channelDim, operand->rank);
    }
    uint32_t wanted = operand->dimensions[channels->channelDim];
    if (channels->scales == NULL || channels->scaleCount != wanted || wanted == 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "%u scales are given for %u channels", channels->scaleCount,
                      wanted);
    }
    for (uint32_t i = 0; i < wanted; i++) {
        if (!(channels->scales[i] > 0.0f)) {
            return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "scale %u is %g, wanted more than 0", i,
                          (double)channels->scales[i]);
        }
    }
    void *scales;
    if (!copy_array(&scales, channels->scales, wanted, sizeof(float))) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    free(operand->channel_scales);
    operand->channel_scales = scales;
    operand->channel_count = wanted;
    operand->channel_dim = channels->channelDim;
    return ANEURALNETWORKS_NO_ERROR;
}

/* Models: operands, values, operations, references. */

#include "driver.h"

static const uint32_t huge_shape[] = {1u << 31, 2};
static const ANeuralNetworksOperandType reference = {ANEURALNETWORKS_MODEL, 0, NULL, 0.0f, 0};
static const ANeuralNetworksOperandType channels = {ANEURALNETWORKS_TENSOR_QUANT8_SYMM_PER_CHANNEL, 2, row_shape, 0.0f,
                                                    0};
static const float big_value[64];

static void walk_operands(void) {
    ANeuralNetworksModel *model;
    ANeuralNetworksOperandType type = row;
    IS_NULL(ANeuralNetworksModel_create(NULL));
    OK(ANeuralNetworksModel_create(&model));
    IS_NULL(ANeuralNetworksModel_addOperand(model, NULL));
    IS_NULL(ANeuralNetworksModel_addOperand(NULL, &row));
    type.type = 16;
    BAD_DATA(ANeuralNetworksModel_addOperand(model, &type));
    type.type = -1;
    BAD_DATA(ANeuralNetworksModel_addOperand(model, &type));
    type.type = ANEURALNETWORKS_INT32;
    BAD_DATA(ANeuralNetworksModel_addOperand(model, &type));
    type = row;
    type.dimensions = NULL;
    BAD_DATA(ANeuralNetworksModel_addOperand(model, &type));
    type.dimensions = huge_shape;
    BAD_DATA(ANeuralNetworksModel_addOperand(model, &type));
    type = row;
    type.scale = 0.5f;
    BAD_DATA(ANeuralNetworksModel_addOperand(model, &type));
    type.type = ANEURALNETWORKS_TENSOR_QUANT8_ASYMM;
    OK(ANeuralNetworksModel_addOperand(model, &type));
    type.zeroPoint = 256;
    BAD_DATA(ANeuralNetworksModel_addOperand(model, &type));
    type.type = ANEURALNETWORKS_TENSOR_QUANT8_ASYMM_SIGNED;
    type.zeroPoint = -129;
    BAD_DATA(ANeuralNetworksModel_addOperand(model, &type));
    type.type = ANEURALNETWORKS_TENSOR_QUANT16_SYMM;
    BAD_DATA(ANeuralNetworksModel_addOperand(model, &type));
    type.type = ANEURALNETWORKS_TENSOR_QUANT16_ASYMM;
    type.zeroPoint = 65535;
    type.scale = 0.0f;
    BAD_DATA(ANeuralNetworksModel_addOperand(model, &type));
    for (int i = 0; i < 40; i++) {
        OK(ANeuralNetworksModel_addOperand(model, &row));
    }
    ANeuralNetworksModel_free(model);
    ANeuralNetworksModel_free(NULL);
}

static void walk_values(void) {
    ANeuralNetworksModel *model;
    float values[3] = {0};
    float scales[3] = {0.5f, 0.25f, 0.0f};
    ANeuralNetworksSymmPerChannelQuantParams parameters = {1, 3, scales};
    OK(ANeuralNetworksModel_create(&model));
    OK(ANeuralNetworksModel_addOperand(model, &row));
    OK(ANeuralNetworksModel_addOperand(model, &big_row));
    OK(ANeuralNetworksModel_addOperand(model, &open_row));
    OK(ANeuralNetworksModel_addOperand(model, &channels));
    IS_NULL(ANeuralNetworksModel_setOperandValue(NULL, 0, values, sizeof values));
    IS_NULL(ANeuralNetworksModel_setOperandValue(model, 0, NULL, sizeof values));
    BAD_DATA(ANeuralNetworksModel_setOperandValue(model, 4, values, sizeof values));
    BAD_DATA(ANeuralNetworksModel_setOperandValue(model, -1, values, sizeof values));
    BAD_DATA(ANeuralNetworksModel_setOperandValue(model, 0, values, 8));
    BAD_DATA(ANeuralNetworksModel_setOperandValue(model, 0, values, 0));
    BAD_DATA(ANeuralNetworksModel_setOperandValue(model, 2, values, sizeof values));
    OK(ANeuralNetworksModel_setOperandValue(model, 0, values, sizeof values));
    OK(ANeuralNetworksModel_setOperandValue(model, 0, NULL, 0));
    OK(ANeuralNetworksModel_setOperandValue(model, 0, values, sizeof values));
    OK(ANeuralNetworksModel_setOperandValue(model, 1, big_value, sizeof big_value));
    IS_NULL(ANeuralNetworksModel_setOperandSymmPerChannelQuantParams(model, 3, NULL));
    BAD_DATA(ANeuralNetworksModel_setOperandSymmPerChannelQuantParams(model, 0, &parameters));
    BAD_DATA(ANeuralNetworksModel_setOperandSymmPerChannelQuantParams(model, 3, &parameters));
    scales[2] = 0.125f;
    OK(ANeuralNetworksModel_setOperandSymmPerChannelQuantParams(model, 3, &parameters));
    OK(ANeuralNetworksModel_setOperandSymmPerChannelQuantParams(model, 3, &parameters));
    parameters.channelDim = 2;
    BAD_DATA(ANeuralNetworksModel_setOperandSymmPerChannelQuantParams(model, 3, &parameters));
    parameters.channelDim = 0;
    BAD_DATA(ANeuralNetworksModel_setOperandSymmPerChannelQuantParams(model, 3, &parameters));
    ANeuralNetworksModel_free(model);
}

static void walk_graph(void) {
    ANeuralNetworksModel *model;
    const uint32_t beyond[] = {9};
    const uint32_t twice[] = {0, 0};
    OK(ANeuralNetworksModel_create(&model));
    OK(ANeuralNetworksModel_addOperand(model, &row));
    OK(ANeuralNetworksModel_addOperand(model, &row));
    IS_NULL(ANeuralNetworksModel_addOperation(model, 0, 1, NULL, 1, first));
    BAD_DATA(ANeuralNetworksModel_addOperation(model, 0, 0, first, 1, first));
    BAD_DATA(ANeuralNetworksModel_addOperation(model, 0, 1, beyond, 1, first));
    BAD_DATA(ANeuralNetworksModel_addOperation(model, 0, 1, first, 1, beyond));
    for (int i = 0; i < 20; i++) {
        OK(ANeuralNetworksModel_addOperation(model, 0, 1, first, 1, first));
    }
    IS_NULL(ANeuralNetworksModel_identifyInputsAndOutputs(model, 1, NULL, 1, first));
    BAD_DATA(ANeuralNetworksModel_identifyInputsAndOutputs(model, 1, beyond, 1, first));
    BAD_DATA(ANeuralNetworksModel_identifyInputsAndOutputs(model, 2, twice, 1, first));
    BAD_DATA(ANeuralNetworksModel_identifyInputsAndOutputs(model, 1, first, 1, first));
    OK(ANeuralNetworksModel_identifyInputsAndOutputs(model, 1, first, 1, (const uint32_t[]){1}));
    BAD_STATE(ANeuralNetworksModel_identifyInputsAndOutputs(model, 1, first, 1, (const uint32_t[]){1}));
    OK(ANeuralNetworksModel_relaxComputationFloat32toFloat16(model, true));
    OK(ANeuralNetworksModel_setOperandValue(model, 0, big_value, 12));
    BAD_DATA(ANeuralNetworksModel_finish(model));
    BAD_STATE(ANeuralNetworksModel_finish(model));
    BAD_STATE(ANeuralNetworksModel_addOperand(model, &row));
    BAD_STATE(ANeuralNetworksModel_relaxComputationFloat32toFloat16(model, true));
    ANeuralNetworksModel_free(model);
    OK(ANeuralNetworksModel_create(&model));
    BAD_DATA(ANeuralNetworksModel_finish(model));
    ANeuralNetworksModel_free(model);
    IS_NULL(ANeuralNetworksModel_finish(NULL));
}

static void walk_references(void) {
    ANeuralNetworksModel *inner = make_sum(&row);
    ANeuralNetworksModel *unfinished;
    ANeuralNetworksModel *outer;
    OK(ANeuralNetworksModel_create(&unfinished));
    OK(ANeuralNetworksModel_create(&outer));
    OK(ANeuralNetworksModel_addOperand(outer, &reference));
    IS_NULL(ANeuralNetworksModel_setOperandValueFromModel(outer, 0, NULL));
    BAD_STATE(ANeuralNetworksModel_setOperandValueFromModel(outer, 0, unfinished));
    BAD_DATA(ANeuralNetworksModel_setOperandValueFromModel(outer, 1, inner));
    OK(ANeuralNetworksModel_setOperandValueFromModel(outer, 0, inner));
    OK(ANeuralNetworksModel_setOperandValueFromModel(outer, 0, inner));
    ANeuralNetworksModel_free(inner);
    ANeuralNetworksModel_free(unfinished);
    ANeuralNetworksModel_free(outer);
}

void walk_models(void) {
    walk_operands();
    walk_values();
    walk_graph();
    walk_references();
}

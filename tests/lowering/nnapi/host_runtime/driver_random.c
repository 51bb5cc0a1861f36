/* Calls in any order with any arguments that a careless caller could pass. Nothing may crash, hang or leak. */

#include "driver.h"

#include <stdlib.h>

#define CALLS 40000
#define PLACES 4

static ANeuralNetworksModel *models[PLACES];
static ANeuralNetworksCompilation *compilations[PLACES];
static ANeuralNetworksExecution *executions[PLACES];
static ANeuralNetworksBurst *bursts[PLACES];
static ANeuralNetworksMemoryDesc *descs[PLACES];
static ANeuralNetworksMemory *memories[PLACES];
static float storage[64];
static uint32_t state = 1;

static uint32_t draw(uint32_t limit) {
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % limit;
}

static const ANeuralNetworksOperandType *draw_type(void) {
    const ANeuralNetworksOperandType *types[] = {&row, &open_row, &big_row, &integer, NULL};
    return types[draw(5)];
}

static void *draw_buffer(void) { return draw(8) == 0 ? NULL : storage; }

static size_t draw_length(void) {
    const size_t lengths[] = {0, 4, 8, 12, 12, 12, 256, SIZE_MAX};
    return lengths[draw(8)];
}

static int call_model(ANeuralNetworksModel *model) {
    uint32_t inputs[] = {draw(5), draw(5), draw(5)};
    uint32_t outputs[] = {draw(5), draw(5)};
    switch (draw(8)) {
        case 0:
        case 1:
            return ANeuralNetworksModel_addOperand(model, draw_type());
        case 2:
            return ANeuralNetworksModel_setOperandValue(model, (int32_t)draw(6) - 1, draw_buffer(), draw_length());
        case 3:
            return ANeuralNetworksModel_addOperation(model, (int32_t)draw(200), draw(4), inputs, draw(3), outputs);
        case 4:
            return ANeuralNetworksModel_identifyInputsAndOutputs(model, draw(4), inputs, draw(3), outputs);
        case 5:
            return ANeuralNetworksModel_finish(model);
        case 6:
            return ANeuralNetworksModel_setOperandValueFromModel(model, (int32_t)draw(5), models[draw(PLACES)]);
        default:
            return ANeuralNetworksModel_relaxComputationFloat32toFloat16(model, draw(2) == 0);
    }
}

static int computed = 0;

static int call_execution(ANeuralNetworksExecution *execution) {
    ANeuralNetworksEvent *event = NULL;
    uint32_t dimensions[8];
    int32_t index = (int32_t)draw(4) - 1;
    int result;
    switch (draw(7)) {
        case 0:
        case 1:
            return ANeuralNetworksExecution_setInput(execution, index, draw_type(), draw_buffer(), draw_length());
        case 2:
        case 3:
            return ANeuralNetworksExecution_setOutput(execution, index, draw_type(), draw_buffer(), draw_length());
        case 4:
            if (draw(2) == 0) {
                ANeuralNetworksExecution_setInput(execution, 0, NULL, storage, 12);
                ANeuralNetworksExecution_setOutput(execution, 0, NULL, storage, 12);
            }
            if (draw(4) == 0) {
                result = ANeuralNetworksExecution_burstCompute(execution, bursts[draw(PLACES)]);
            } else if (draw(3) == 0) {
                result = ANeuralNetworksExecution_startComputeWithDependencies(execution, NULL, 0, 0, &event);
                ANeuralNetworksEvent_free(event);
            } else if (draw(2) == 0) {
                result = ANeuralNetworksExecution_compute(execution);
            } else {
                result = ANeuralNetworksExecution_startCompute(execution, &event);
                ANeuralNetworksEvent_free(event);
            }
            computed += result == ANEURALNETWORKS_NO_ERROR;
            return result;
        case 5:
            ANeuralNetworksExecution_enableInputAndOutputPadding(execution, draw(2) == 0);
            return ANeuralNetworksExecution_setReusable(execution, draw(2) == 0);
        default:
            return ANeuralNetworksExecution_getOutputOperandDimensions(execution, index, dimensions);
    }
}

static int made = 0;

/* Memories for roles: what they are for, and their use. */
static int call_memory(void) {
    ANeuralNetworksMemoryDesc *desc = descs[draw(PLACES)];
    ANeuralNetworksMemory *memory = memories[draw(PLACES)];
    ANeuralNetworksCompilation *compilation = compilations[draw(PLACES)];
    ANeuralNetworksExecution *execution = executions[draw(PLACES)];
    uint32_t place = draw(PLACES);
    switch (draw(8)) {
        case 0:
            return ANeuralNetworksMemoryDesc_addInputRole(desc, compilation, draw(2), (float)draw(3));
        case 1:
            return ANeuralNetworksMemoryDesc_addOutputRole(desc, compilation, draw(2), (float)draw(3));
        case 2:
            return ANeuralNetworksMemoryDesc_setDimensions(desc, draw(3), draw(4) == 0 ? NULL : row_shape);
        case 3:
            ANeuralNetworksMemoryDesc_addInputRole(desc, compilation, 0, 1.0f);
            return ANeuralNetworksMemoryDesc_finish(desc);
        case 4:
            ANeuralNetworksMemory_free(memories[place]);
            ANeuralNetworksMemory_createFromDesc(desc, &memories[place]);
            made += memories[place] != NULL;
            return ANEURALNETWORKS_NO_ERROR;
        case 5:
            return ANeuralNetworksMemory_copy(memory, memories[place]);
        case 6:
            return ANeuralNetworksExecution_setInputFromMemory(execution, 0, NULL, memory, draw(2), 12 * draw(2));
        default:
            return ANeuralNetworksExecution_setOutputFromMemory(execution, 0, NULL, memory, draw(2), 12 * draw(2));
    }
}

/* Makes or frees an object at a random place. */
static int call_lifetime(void) {
    uint32_t place = draw(PLACES);
    switch (draw(5)) {
        case 3:
            ANeuralNetworksBurst_free(bursts[place]);
            bursts[place] = NULL;
            return ANeuralNetworksBurst_create(compilations[draw(PLACES)], &bursts[place]);
        case 4:
            ANeuralNetworksMemoryDesc_free(descs[place]);
            return ANeuralNetworksMemoryDesc_create(&descs[place]);
        case 0:
            ANeuralNetworksModel_free(models[place]);
            models[place] = NULL;
            if (draw(2) == 0) {
                models[place] = make_sum(draw(2) == 0 ? &row : &open_row);
                return ANEURALNETWORKS_NO_ERROR;
            }
            return ANeuralNetworksModel_create(&models[place]);
        case 1:
            ANeuralNetworksCompilation_free(compilations[place]);
            compilations[place] = NULL;
            ANeuralNetworksCompilation_create(models[draw(PLACES)], &compilations[place]);
            return ANeuralNetworksCompilation_finish(compilations[place]);
        default:
            ANeuralNetworksExecution_free(executions[place]);
            executions[place] = NULL;
            return ANeuralNetworksExecution_create(compilations[draw(PLACES)], &executions[place]);
    }
}

void walk_at_random(void) {
    int accepted = 0;
    for (int i = 0; i < CALLS; i++) {
        int result;
        switch (draw(6)) {
            case 5:
                result = call_memory();
                break;
            case 0:
                result = call_lifetime();
                break;
            case 1:
            case 2:
                result = call_model(models[draw(PLACES)]);
                break;
            default:
                result = call_execution(executions[draw(PLACES)]);
        }
        WANT(1, result >= ANEURALNETWORKS_NO_ERROR && result <= ANEURALNETWORKS_OUTPUT_INSUFFICIENT_SIZE);
        accepted += result == ANEURALNETWORKS_NO_ERROR;
    }
    WANT(1, accepted > CALLS / 10);
    WANT(1, computed > 20);
    WANT(1, made > 20);
    for (uint32_t place = 0; place < PLACES; place++) {
        ANeuralNetworksExecution_free(executions[place]);
        ANeuralNetworksBurst_free(bursts[place]);
        ANeuralNetworksMemory_free(memories[place]);
        ANeuralNetworksMemoryDesc_free(descs[place]);
        ANeuralNetworksCompilation_free(compilations[place]);
        ANeuralNetworksModel_free(models[place]);
    }
}

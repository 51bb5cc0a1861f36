/* Walks through every NNAPI function with callbacks of its own, right and wrong. Prints what is not as wanted, and
   fails if there is any. Meant to run under a leak checker. */

#define _POSIX_C_SOURCE 200809L

#include "driver.h"

#include <string.h>
#include <time.h>

_Atomic int failures = 0;
int released = 0;
int prepare_code = ANEURALNETWORKS_NO_ERROR;
int finished = 0;
_Atomic long delay_nanoseconds = 0;
uint32_t output_columns = 3;
static _Atomic int refusals = 0;

static void delay(void) { nanosleep(&(struct timespec){.tv_nsec = delay_nanoseconds}, NULL); }

static void finish_model(const struct host_model *model, int32_t *code) {
    finished++;
    WANT(1, model->operand_count > 0 && model->level == nnapi_host_level());
    *code = ANEURALNETWORKS_NO_ERROR;
}

static void supported_operations(uint64_t model_id, uint32_t count, uint8_t *supported, int32_t *code) {
    WANT(1, model_id > 0);
    memset(supported, 1, count);
    *code = ANEURALNETWORKS_NO_ERROR;
}

static void prepare(uint64_t compilation_id, uint64_t model_id, int32_t *code) {
    WANT(1, compilation_id != model_id);
    delay();
    *code = prepare_code;
}

/* Writes the first input's first row as the output. */
static void execute(struct host_execution *execution, int32_t *code) {
    uint32_t dimensions[] = {1, output_columns};
    delay();
    float row[16] = {0};
    if (execution->inputs[0].state == HOST_ARGUMENT_GIVEN) {
        uint64_t length = execution->inputs[0].length;
        memcpy(row, execution->inputs[0].data, length < sizeof row ? length : sizeof row);
    }
    *code = nnapi_host_write_output(execution, 0, 2, dimensions, row, 4 * (uint64_t)output_columns);
}

static void release(int32_t what, uint64_t id) { released += id > 0 && what <= HOST_RELEASE_COMPILATION; }

static void refused(const char *function, int32_t code, const char *words) {
    refusals += strncmp(function, "ANeuralNetworks", 15) == 0 && code != 0 && words[0] != 0;
}

static void stays_silent(const struct host_model *model, int32_t *code) {
    (void)model;
    (void)code;
}

const struct host_callbacks callbacks = {finish_model, supported_operations, prepare, execute, release, refused};
const struct host_callbacks silent = {stays_silent, supported_operations, prepare, execute, release, refused};

const uint32_t row_shape[2] = {1, 3};
static const uint32_t open_shape[] = {1, 0};
static const uint32_t big_shape[] = {1, 64};
const ANeuralNetworksOperandType row = {ANEURALNETWORKS_TENSOR_FLOAT32, 2, row_shape, 0.0f, 0};
const ANeuralNetworksOperandType open_row = {ANEURALNETWORKS_TENSOR_FLOAT32, 2, open_shape, 0.0f, 0};
const ANeuralNetworksOperandType big_row = {ANEURALNETWORKS_TENSOR_FLOAT32, 2, big_shape, 0.0f, 0};
const ANeuralNetworksOperandType integer = {ANEURALNETWORKS_INT32, 0, NULL, 0.0f, 0};

static const uint32_t sum_inputs[] = {0, 1, 2};
const uint32_t first[1] = {0};
static const uint32_t last[] = {3};

ANeuralNetworksModel *make_sum(const ANeuralNetworksOperandType *result) {
    ANeuralNetworksModel *model;
    float ones[] = {1, 1, 1};
    int32_t none = 0;
    OK(ANeuralNetworksModel_create(&model));
    OK(ANeuralNetworksModel_addOperand(model, &row));
    OK(ANeuralNetworksModel_addOperand(model, &row));
    OK(ANeuralNetworksModel_addOperand(model, &integer));
    OK(ANeuralNetworksModel_addOperand(model, result));
    OK(ANeuralNetworksModel_setOperandValue(model, 1, ones, sizeof ones));
    OK(ANeuralNetworksModel_setOperandValue(model, 2, &none, sizeof none));
    OK(ANeuralNetworksModel_addOperation(model, 0, 3, sum_inputs, 1, last));
    OK(ANeuralNetworksModel_identifyInputsAndOutputs(model, 1, first, 1, last));
    OK(ANeuralNetworksModel_finish(model));
    return model;
}

ANeuralNetworksCompilation *compile(ANeuralNetworksModel *model) {
    ANeuralNetworksCompilation *compilation;
    OK(ANeuralNetworksCompilation_create(model, &compilation));
    OK(ANeuralNetworksCompilation_finish(compilation));
    return compilation;
}

int main(void) {
    nnapi_host_attach(&callbacks);
    walk_models();
    walk_runs();
    walk_later();
    walk_at_random();
    WANT(0, nnapi_host_live_objects());
    WANT(1, refusals > 80);
    printf("%d failures, %d refusals\n", failures, refusals);
    return failures == 0 ? 0 : 1;
}

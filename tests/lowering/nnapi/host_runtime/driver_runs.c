/* Devices, compilations, executions, memories, callbacks and threads. */

#define _GNU_SOURCE

#include "driver.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void walk_devices(void) {
    ANeuralNetworksModel *model = make_sum(&row);
    ANeuralNetworksModel *unfinished;
    ANeuralNetworksDevice *device;
    ANeuralNetworksCompilation *compilation;
    uint32_t count = 0;
    const char *text;
    int64_t level;
    int32_t type;
    bool supported[1] = {false};
    OK(ANeuralNetworks_getDeviceCount(&count));
    WANT(2, count);
    IS_NULL(ANeuralNetworks_getDeviceCount(NULL));
    BAD_DATA(ANeuralNetworks_getDevice(2, &device));
    IS_NULL(ANeuralNetworks_getDevice(0, NULL));
    OK(ANeuralNetworks_getDevice(0, &device));
    OK(ANeuralNetworksDevice_getName(device, &text));
    WANT(1, strlen(text) > 0);
    OK(ANeuralNetworksDevice_getVersion(device, &text));
    IS_NULL(ANeuralNetworksDevice_getName(NULL, &text));
    IS_NULL(ANeuralNetworksDevice_getVersion(device, NULL));
    OK(ANeuralNetworksDevice_getType(device, &type));
    IS_NULL(ANeuralNetworksDevice_getFeatureLevel(device, NULL));
    nnapi_host_set_level(3);
    OK(ANeuralNetworksDevice_getFeatureLevel(device, &level));
    WANT(29, level);
    WANT(0, nnapi_host_set_thread_level(6));
    WANT(1000006, ANeuralNetworks_getRuntimeFeatureLevel());
    WANT(6, nnapi_host_set_thread_level(0));
    nnapi_host_set_level(8);
    const ANeuralNetworksDevice *twice[] = {device, device};
    const ANeuralNetworksDevice *none[] = {NULL};
    OK(ANeuralNetworksModel_getSupportedOperationsForDevices(model, twice, 1, supported));
    WANT(1, supported[0]);
    BAD_DATA(ANeuralNetworksModel_getSupportedOperationsForDevices(model, twice, 2, supported));
    BAD_DATA(ANeuralNetworksModel_getSupportedOperationsForDevices(model, twice, 0, supported));
    IS_NULL(ANeuralNetworksModel_getSupportedOperationsForDevices(model, none, 1, supported));
    OK(ANeuralNetworksModel_create(&unfinished));
    BAD_STATE(ANeuralNetworksModel_getSupportedOperationsForDevices(unfinished, twice, 1, supported));
    BAD_DATA(ANeuralNetworksCompilation_createForDevices(model, twice, 2, &compilation));
    OK(ANeuralNetworksCompilation_createForDevices(model, twice, 1, &compilation));
    ANeuralNetworksCompilation_free(compilation);
    BAD_STATE(ANeuralNetworksCompilation_create(unfinished, &compilation));
    WANT(1, compilation == NULL);
    ANeuralNetworksModel_free(unfinished);
    ANeuralNetworksModel_free(model);
}

static void walk_compilations(void) {
    ANeuralNetworksModel *model = make_sum(&row);
    ANeuralNetworksCompilation *compilation;
    ANeuralNetworksExecution *execution;
    IS_NULL(ANeuralNetworksCompilation_create(NULL, &compilation));
    OK(ANeuralNetworksCompilation_create(model, &compilation));
    BAD_STATE(ANeuralNetworksExecution_create(compilation, &execution));
    OK(ANeuralNetworksCompilation_setPreference(compilation, ANEURALNETWORKS_PREFER_SUSTAINED_SPEED));
    BAD_DATA(ANeuralNetworksCompilation_setPreference(compilation, 3));
    BAD_DATA(ANeuralNetworksCompilation_setPreference(compilation, -1));
    OK(ANeuralNetworksCompilation_finish(compilation));
    BAD_STATE(ANeuralNetworksCompilation_finish(compilation));
    BAD_STATE(ANeuralNetworksCompilation_setPreference(compilation, 1));
    ANeuralNetworksCompilation_free(compilation);
    prepare_code = ANEURALNETWORKS_OP_FAILED;
    OK(ANeuralNetworksCompilation_create(model, &compilation));
    WANT(ANEURALNETWORKS_OP_FAILED, ANeuralNetworksCompilation_finish(compilation));
    BAD_STATE(ANeuralNetworksExecution_create(compilation, &execution));
    prepare_code = ANEURALNETWORKS_NO_ERROR;
    ANeuralNetworksCompilation_free(compilation);
    ANeuralNetworksCompilation_free(NULL);
    ANeuralNetworksModel_free(model);
}

static void walk_executions(void) {
    ANeuralNetworksModel *model = make_sum(&open_row);
    ANeuralNetworksCompilation *compilation = compile(model);
    ANeuralNetworksExecution *execution;
    ANeuralNetworksEvent *event;
    float input[3] = {1, 2, 3};
    float output[4] = {0};
    uint32_t rank;
    uint32_t dimensions[2];
    OK(ANeuralNetworksExecution_create(compilation, &execution));
    BAD_DATA(ANeuralNetworksExecution_setInput(execution, 1, NULL, input, sizeof input));
    BAD_DATA(ANeuralNetworksExecution_setInput(execution, 0, NULL, input, 8));
    BAD_DATA(ANeuralNetworksExecution_setInput(execution, 0, &big_row, input, sizeof input));
    BAD_DATA(ANeuralNetworksExecution_setInput(execution, 0, &open_row, input, sizeof input));
    IS_NULL(ANeuralNetworksExecution_setInput(execution, 0, NULL, NULL, 4));
    OK(ANeuralNetworksExecution_setInput(execution, 0, &row, input, sizeof input));
    BAD_STATE(ANeuralNetworksExecution_setInput(execution, 0, NULL, input, sizeof input));
    OK(ANeuralNetworksExecution_setOutput(execution, 0, NULL, output, sizeof output));
    BAD_STATE(ANeuralNetworksExecution_getOutputOperandRank(execution, 0, &rank));
    OK(ANeuralNetworksExecution_compute(execution));
    WANT(3, output[2]);
    BAD_STATE(ANeuralNetworksExecution_compute(execution));
    BAD_STATE(ANeuralNetworksExecution_setOutput(execution, 0, NULL, output, sizeof output));
    OK(ANeuralNetworksExecution_getOutputOperandRank(execution, 0, &rank));
    WANT(2, rank);
    OK(ANeuralNetworksExecution_getOutputOperandDimensions(execution, 0, dimensions));
    WANT(3, dimensions[1]);
    BAD_DATA(ANeuralNetworksExecution_getOutputOperandRank(execution, 1, &rank));
    IS_NULL(ANeuralNetworksExecution_getOutputOperandDimensions(execution, 0, NULL));
    ANeuralNetworksExecution_free(execution);

    OK(ANeuralNetworksExecution_create(compilation, &execution));
    BAD_DATA(ANeuralNetworksExecution_compute(execution));
    BAD_STATE(ANeuralNetworksExecution_getOutputOperandRank(execution, 0, &rank));
    ANeuralNetworksExecution_free(execution);

    OK(ANeuralNetworksExecution_create(compilation, &execution));
    OK(ANeuralNetworksExecution_setInput(execution, 0, NULL, NULL, 0));
    OK(ANeuralNetworksExecution_setOutput(execution, 0, NULL, output, sizeof output));
    output_columns = 5;
    OK(ANeuralNetworksExecution_startCompute(execution, &event));
    WANT(ANEURALNETWORKS_OUTPUT_INSUFFICIENT_SIZE, ANeuralNetworksEvent_wait(event));
    output_columns = 3;
    ANeuralNetworksEvent_free(event);
    WANT(ANEURALNETWORKS_OUTPUT_INSUFFICIENT_SIZE,
         ANeuralNetworksExecution_getOutputOperandDimensions(execution, 0, dimensions));
    WANT(5, dimensions[1]);
    BAD_STATE(ANeuralNetworksExecution_startCompute(execution, &event));
    WANT(1, event == NULL);
    ANeuralNetworksExecution_free(execution);
    ANeuralNetworksExecution_free(NULL);
    IS_NULL(ANeuralNetworksExecution_compute(NULL));
    IS_NULL(ANeuralNetworksExecution_startCompute(NULL, &event));
    IS_NULL(ANeuralNetworksEvent_wait(NULL));
    ANeuralNetworksCompilation_free(compilation);
    ANeuralNetworksModel_free(model);
}

static void walk_memories(void) {
    ANeuralNetworksModel *model = make_sum(&row);
    ANeuralNetworksModel *other;
    ANeuralNetworksCompilation *compilation = compile(model);
    ANeuralNetworksExecution *execution;
    ANeuralNetworksMemory *memory;
    ANeuralNetworksMemory *read_only;
    char name[] = "/tmp/nnapi-check-XXXXXX";
    int fd = mkstemp(name);
    float content[6] = {1, 2, 3};
    WANT(sizeof content, write(fd, content, sizeof content));
    IS_NULL(ANeuralNetworksMemory_createFromFd(24, PROT_READ, fd, 0, NULL));
    BAD_DATA(ANeuralNetworksMemory_createFromFd(24, PROT_READ, -1, 0, &memory));
    BAD_DATA(ANeuralNetworksMemory_createFromFd(25, PROT_READ, fd, 0, &memory));
    BAD_DATA(ANeuralNetworksMemory_createFromFd(0, PROT_READ, fd, 0, &memory));
    OK(ANeuralNetworksMemory_createFromFd(24, PROT_READ | PROT_WRITE, fd, 0, &memory));
    WANT(ANEURALNETWORKS_UNMAPPABLE, ANeuralNetworksMemory_createFromFd(20, PROT_READ, fd, 4, &read_only));
    OK(ANeuralNetworksMemory_createFromFd(20, PROT_READ, fd, 0, &read_only));
    OK(ANeuralNetworksExecution_create(compilation, &execution));
    BAD_DATA(ANeuralNetworksExecution_setInputFromMemory(execution, 0, NULL, memory, 16, 12));
    BAD_DATA(ANeuralNetworksExecution_setInputFromMemory(execution, 0, NULL, memory, SIZE_MAX, 12));
    BAD_DATA(ANeuralNetworksExecution_setInputFromMemory(execution, 0, NULL, memory, 0, 0));
    OK(ANeuralNetworksExecution_setInputFromMemory(execution, 0, NULL, memory, 0, 12));
    BAD_DATA(ANeuralNetworksExecution_setOutputFromMemory(execution, 0, NULL, read_only, 0, 12));
    IS_NULL(ANeuralNetworksExecution_setOutputFromMemory(execution, 0, NULL, NULL, 0, 12));
    OK(ANeuralNetworksExecution_setOutputFromMemory(execution, 0, NULL, memory, 12, 12));
    OK(ANeuralNetworksModel_create(&other));
    OK(ANeuralNetworksModel_addOperand(other, &row));
    IS_NULL(ANeuralNetworksModel_setOperandValueFromMemory(other, 0, NULL, 0, 12));
    BAD_DATA(ANeuralNetworksModel_setOperandValueFromMemory(other, 0, memory, 0, 8));
    BAD_DATA(ANeuralNetworksModel_setOperandValueFromMemory(other, 0, memory, 20, 12));
    OK(ANeuralNetworksModel_setOperandValueFromMemory(other, 0, memory, 4, 12));
    OK(ANeuralNetworksExecution_compute(execution));
    ANeuralNetworksMemory_free(memory);
    WANT(sizeof content, pread(fd, content, sizeof content, 0));
    WANT(3, content[5]);
    ANeuralNetworksModel_free(other);
    ANeuralNetworksExecution_free(execution);
    ANeuralNetworksMemory_free(read_only);
    ANeuralNetworksMemory_free(NULL);
    ANeuralNetworksCompilation_free(compilation);
    ANeuralNetworksModel_free(model);
    close(fd);
    unlink(name);
}

static void walk_callbacks(void) {
    ANeuralNetworksModel *model = make_sum(&row);
    ANeuralNetworksModel *other;
    ANeuralNetworksCompilation *compilation = compile(model);
    ANeuralNetworksCompilation *second;
    OK(ANeuralNetworksModel_create(&other));
    OK(ANeuralNetworksModel_addOperand(other, &row));
    OK(ANeuralNetworksModel_addOperand(other, &row));
    OK(ANeuralNetworksModel_identifyInputsAndOutputs(other, 1, first, 1, (const uint32_t[]){1}));
    nnapi_host_attach(&silent);
    WANT(ANEURALNETWORKS_OP_FAILED, ANeuralNetworksModel_finish(other));
    BAD_STATE(ANeuralNetworksModel_finish(other));
    nnapi_host_attach(NULL);
    OK(ANeuralNetworksCompilation_create(model, &second));
    WANT(ANEURALNETWORKS_OP_FAILED, ANeuralNetworksCompilation_finish(second));
    ANeuralNetworksCompilation_free(second);
    nnapi_host_attach(&callbacks);
    int before = released;
    ANeuralNetworksCompilation_free(compilation);
    ANeuralNetworksModel_free(model);
    ANeuralNetworksModel_free(other);
    WANT(before + 2, released);
}

static void *run_many(void *shared) {
    for (int i = 0; i < 200; i++) {
        ANeuralNetworksExecution *execution;
        float input[3] = {(float)i, 2, 3};
        float output[3] = {0};
        OK(ANeuralNetworksExecution_create(shared, &execution));
        OK(ANeuralNetworksExecution_setInput(execution, 0, NULL, input, sizeof input));
        OK(ANeuralNetworksExecution_setOutput(execution, 0, NULL, output, sizeof output));
        OK(ANeuralNetworksExecution_compute(execution));
        WANT(i, output[0]);
        ANeuralNetworksExecution_free(execution);
    }
    return NULL;
}

static void walk_threads(void) {
    ANeuralNetworksModel *model = make_sum(&row);
    ANeuralNetworksCompilation *compilation = compile(model);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, run_many, compilation);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    ANeuralNetworksCompilation_free(compilation);
    ANeuralNetworksModel_free(model);
}

void walk_runs(void) {
    walk_devices();
    walk_compilations();
    walk_executions();
    walk_memories();
    walk_callbacks();
    walk_threads();
}

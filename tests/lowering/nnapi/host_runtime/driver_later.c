/* What came after the first level: settings, bursts, timing, caches, memories for roles, fences. */

#define _GNU_SOURCE

#include "driver.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

static float input[16] = {1, 2, 3};
static float output[16];

static ANeuralNetworksCompilation *compile_for_device(ANeuralNetworksModel *model) {
    ANeuralNetworksDevice *device;
    ANeuralNetworksCompilation *compilation;
    OK(ANeuralNetworks_getDevice(0, &device));
    OK(ANeuralNetworksCompilation_createForDevices(model, (const ANeuralNetworksDevice *[]){device}, 1, &compilation));
    OK(ANeuralNetworksCompilation_finish(compilation));
    return compilation;
}

static ANeuralNetworksExecution *make_execution(ANeuralNetworksCompilation *compilation) {
    ANeuralNetworksExecution *execution;
    OK(ANeuralNetworksExecution_create(compilation, &execution));
    OK(ANeuralNetworksExecution_setInput(execution, 0, NULL, input, 12));
    OK(ANeuralNetworksExecution_setOutput(execution, 0, NULL, output, 12));
    return execution;
}

static void walk_compilation_settings(ANeuralNetworksModel *model) {
    ANeuralNetworksDevice *device;
    ANeuralNetworksCompilation *compilation;
    uint32_t number;
    OK(ANeuralNetworks_getDevice(1, &device));
    OK(ANeuralNetworksDevice_wait(device));
    IS_NULL(ANeuralNetworksDevice_wait(NULL));
    OK(ANeuralNetworksCompilation_create(model, &compilation));
    IS_NULL(ANeuralNetworksCompilation_setPriority(NULL, ANEURALNETWORKS_PRIORITY_LOW));
    OK(ANeuralNetworksCompilation_setPriority(compilation, ANEURALNETWORKS_PRIORITY_HIGH));
    BAD_DATA(ANeuralNetworksCompilation_setPriority(compilation, 95));
    IS_NULL(ANeuralNetworksCompilation_setTimeout(NULL, 1));
    BAD_DATA(ANeuralNetworksCompilation_setTimeout(compilation, 1));
    BAD_STATE(ANeuralNetworksCompilation_getPreferredMemoryPaddingForInput(compilation, 0, &number));
    OK(ANeuralNetworksCompilation_finish(compilation));
    BAD_STATE(ANeuralNetworksCompilation_setPriority(compilation, ANEURALNETWORKS_PRIORITY_LOW));
    OK(ANeuralNetworksCompilation_getPreferredMemoryAlignmentForInput(compilation, 0, &number));
    WANT(1, number > 0 && (number & (number - 1)) == 0);
    OK(ANeuralNetworksCompilation_getPreferredMemoryPaddingForOutput(compilation, 0, &number));
    OK(ANeuralNetworksCompilation_getPreferredMemoryAlignmentForOutput(compilation, 0, &number));
    BAD_DATA(ANeuralNetworksCompilation_getPreferredMemoryAlignmentForOutput(compilation, 1, &number));
    BAD_DATA(ANeuralNetworksCompilation_getPreferredMemoryPaddingForInput(compilation, 1, &number));
    IS_NULL(ANeuralNetworksCompilation_getPreferredMemoryPaddingForInput(compilation, 0, NULL));
    ANeuralNetworksCompilation_free(compilation);
    OK(ANeuralNetworksCompilation_createForDevices(model, (const ANeuralNetworksDevice *[]){device}, 1, &compilation));
    OK(ANeuralNetworksCompilation_setTimeout(compilation, 1));
    delay_nanoseconds = 1000000;
    WANT(ANEURALNETWORKS_MISSED_DEADLINE_TRANSIENT, ANeuralNetworksCompilation_finish(compilation));
    delay_nanoseconds = 0;
    ANeuralNetworksCompilation_free(compilation);
}

static void walk_execution_settings(ANeuralNetworksModel *model) {
    ANeuralNetworksCompilation *compilation = compile_for_device(model);
    ANeuralNetworksCompilation *of_any_device = compile(model);
    ANeuralNetworksExecution *execution = make_execution(of_any_device);
    uint64_t duration;
    BAD_DATA(ANeuralNetworksExecution_setMeasureTiming(execution, true));
    BAD_DATA(ANeuralNetworksExecution_setTimeout(execution, 1));
    BAD_STATE(ANeuralNetworksExecution_enableInputAndOutputPadding(execution, true));
    IS_NULL(ANeuralNetworksExecution_setMeasureTiming(NULL, true));
    IS_NULL(ANeuralNetworksExecution_setTimeout(NULL, 1));
    IS_NULL(ANeuralNetworksExecution_setLoopTimeout(NULL, 1));
    IS_NULL(ANeuralNetworksExecution_setReusable(NULL, true));
    IS_NULL(ANeuralNetworksExecution_enableInputAndOutputPadding(NULL, true));
    OK(ANeuralNetworksExecution_setLoopTimeout(execution, UINT64_MAX));
    ANeuralNetworksExecution_free(execution);
    ANeuralNetworksCompilation_free(of_any_device);

    execution = make_execution(compilation);
    OK(ANeuralNetworksExecution_setMeasureTiming(execution, true));
    OK(ANeuralNetworksExecution_setReusable(execution, true));
    BAD_STATE(ANeuralNetworksExecution_getDuration(execution, ANEURALNETWORKS_DURATION_ON_HARDWARE, &duration));
    OK(ANeuralNetworksExecution_compute(execution));
    OK(ANeuralNetworksExecution_getDuration(execution, ANEURALNETWORKS_DURATION_ON_HARDWARE, &duration));
    WANT(1, duration > 0 && duration != UINT64_MAX);
    OK(ANeuralNetworksExecution_getDuration(execution, ANEURALNETWORKS_FENCED_DURATION_IN_DRIVER, &duration));
    BAD_DATA(ANeuralNetworksExecution_getDuration(execution, 4, &duration));
    IS_NULL(ANeuralNetworksExecution_getDuration(execution, 0, NULL));
    input[0] = 7;
    OK(ANeuralNetworksExecution_compute(execution));
    WANT(7, output[0]);
    input[0] = 1;
    BAD_STATE(ANeuralNetworksExecution_setReusable(execution, false));
    BAD_STATE(ANeuralNetworksExecution_setLoopTimeout(execution, 1));
    BAD_STATE(ANeuralNetworksExecution_setMeasureTiming(execution, false));
    ANeuralNetworksExecution_free(execution);

    execution = make_execution(compilation);
    OK(ANeuralNetworksExecution_setTimeout(execution, 1000));
    delay_nanoseconds = 1000000;
    WANT(ANEURALNETWORKS_MISSED_DEADLINE_TRANSIENT, ANeuralNetworksExecution_compute(execution));
    delay_nanoseconds = 0;
    BAD_STATE(ANeuralNetworksExecution_getDuration(execution, 0, &duration));
    ANeuralNetworksExecution_free(execution);

    OK(ANeuralNetworksExecution_create(compilation, &execution));
    BAD_DATA(ANeuralNetworksExecution_setInput(execution, 0, NULL, input, 64));
    OK(ANeuralNetworksExecution_enableInputAndOutputPadding(execution, true));
    BAD_DATA(ANeuralNetworksExecution_setInput(execution, 0, NULL, input, 8));
    OK(ANeuralNetworksExecution_setInput(execution, 0, NULL, input, 64));
    OK(ANeuralNetworksExecution_setOutput(execution, 0, NULL, output, 64));
    OK(ANeuralNetworksExecution_compute(execution));
    WANT(3, output[2]);
    ANeuralNetworksExecution_free(execution);
    ANeuralNetworksCompilation_free(compilation);
}

static void walk_bursts(ANeuralNetworksModel *model) {
    ANeuralNetworksCompilation *compilation = compile(model);
    ANeuralNetworksCompilation *unfinished;
    ANeuralNetworksExecution *execution = make_execution(compilation);
    ANeuralNetworksBurst *burst;
    ANeuralNetworksBurst *other;
    IS_NULL(ANeuralNetworksBurst_create(NULL, &burst));
    OK(ANeuralNetworksCompilation_create(model, &unfinished));
    BAD_STATE(ANeuralNetworksBurst_create(unfinished, &burst));
    WANT(1, burst == NULL);
    OK(ANeuralNetworksCompilation_finish(unfinished));
    OK(ANeuralNetworksBurst_create(unfinished, &other));
    OK(ANeuralNetworksBurst_create(compilation, &burst));
    ANeuralNetworksCompilation_free(unfinished);
    IS_NULL(ANeuralNetworksExecution_burstCompute(NULL, burst));
    IS_NULL(ANeuralNetworksExecution_burstCompute(execution, NULL));
    BAD_DATA(ANeuralNetworksExecution_burstCompute(execution, other));
    OK(ANeuralNetworksExecution_burstCompute(execution, burst));
    BAD_STATE(ANeuralNetworksExecution_burstCompute(execution, burst));
    ANeuralNetworksExecution_free(execution);
    execution = make_execution(compilation);
    OK(ANeuralNetworksExecution_burstCompute(execution, burst));
    ANeuralNetworksExecution_free(execution);
    ANeuralNetworksCompilation_free(compilation);
    ANeuralNetworksBurst_free(burst);
    ANeuralNetworksBurst_free(other);
    ANeuralNetworksBurst_free(NULL);
}

static ANeuralNetworksMemory *make_memory(const ANeuralNetworksCompilation *first_one,
                                          const ANeuralNetworksCompilation *second_one) {
    ANeuralNetworksMemoryDesc *desc;
    ANeuralNetworksMemory *memory;
    const uint32_t other_shape[] = {1, 4};
    IS_NULL(ANeuralNetworksMemoryDesc_create(NULL));
    OK(ANeuralNetworksMemoryDesc_create(&desc));
    BAD_DATA(ANeuralNetworksMemoryDesc_finish(desc));
    IS_NULL(ANeuralNetworksMemoryDesc_addInputRole(desc, NULL, 0, 1.0f));
    BAD_DATA(ANeuralNetworksMemoryDesc_addInputRole(desc, first_one, 1, 1.0f));
    BAD_DATA(ANeuralNetworksMemoryDesc_addInputRole(desc, first_one, 0, 0.0f));
    BAD_DATA(ANeuralNetworksMemoryDesc_addOutputRole(desc, first_one, 0, 1.5f));
    OK(ANeuralNetworksMemoryDesc_addOutputRole(desc, first_one, 0, 0.5f));
    BAD_DATA(ANeuralNetworksMemoryDesc_addOutputRole(desc, first_one, 0, 0.5f));
    OK(ANeuralNetworksMemoryDesc_addInputRole(desc, second_one, 0, 1.0f));
    IS_NULL(ANeuralNetworksMemoryDesc_setDimensions(desc, 2, NULL));
    BAD_DATA(ANeuralNetworksMemoryDesc_setDimensions(desc, 2, other_shape));
    BAD_DATA(ANeuralNetworksMemoryDesc_setDimensions(desc, 1, other_shape));
    OK(ANeuralNetworksMemoryDesc_setDimensions(desc, 2, row_shape));
    BAD_STATE(ANeuralNetworksMemory_createFromDesc(desc, &memory));
    OK(ANeuralNetworksMemoryDesc_finish(desc));
    BAD_STATE(ANeuralNetworksMemoryDesc_finish(desc));
    BAD_STATE(ANeuralNetworksMemoryDesc_setDimensions(desc, 2, row_shape));
    BAD_STATE(ANeuralNetworksMemoryDesc_addInputRole(desc, first_one, 0, 1.0f));
    IS_NULL(ANeuralNetworksMemory_createFromDesc(NULL, &memory));
    OK(ANeuralNetworksMemory_createFromDesc(desc, &memory));
    ANeuralNetworksMemoryDesc_free(desc);
    ANeuralNetworksMemoryDesc_free(NULL);
    return memory;
}

static void walk_open_memory(void) {
    ANeuralNetworksModel *model = make_sum(&open_row);
    ANeuralNetworksCompilation *compilation = compile(model);
    ANeuralNetworksMemoryDesc *desc;
    ANeuralNetworksMemory *memory;
    OK(ANeuralNetworksMemoryDesc_create(&desc));
    OK(ANeuralNetworksMemoryDesc_addOutputRole(desc, compilation, 0, 1.0f));
    OK(ANeuralNetworksMemoryDesc_finish(desc));
    WANT(ANEURALNETWORKS_OP_FAILED, ANeuralNetworksMemory_createFromDesc(desc, &memory));
    WANT(1, memory == NULL);
    ANeuralNetworksMemoryDesc_free(desc);
    ANeuralNetworksCompilation_free(compilation);
    ANeuralNetworksModel_free(model);
}

static void walk_memory_domains(ANeuralNetworksModel *model) {
    ANeuralNetworksCompilation *compilation = compile(model);
    ANeuralNetworksCompilation *second = compile(model);
    ANeuralNetworksMemory *memory = make_memory(compilation, second);
    ANeuralNetworksMemory *shared;
    ANeuralNetworksMemory *small;
    ANeuralNetworksModel *other;
    ANeuralNetworksExecution *execution;
    float content[3] = {4, 5, 6};
    int fd = memfd_create("driver", 0);
    WANT(sizeof content, write(fd, content, sizeof content));
    OK(ANeuralNetworksMemory_createFromFd(12, PROT_READ | PROT_WRITE, fd, 0, &shared));
    OK(ANeuralNetworksMemory_createFromFd(8, PROT_READ, fd, 0, &small));
    OK(ANeuralNetworksModel_create(&other));
    OK(ANeuralNetworksModel_addOperand(other, &row));
    BAD_DATA(ANeuralNetworksModel_setOperandValueFromMemory(other, 0, memory, 0, 12));
    ANeuralNetworksModel_free(other);
    IS_NULL(ANeuralNetworksMemory_copy(NULL, shared));
    BAD_DATA(ANeuralNetworksMemory_copy(memory, shared)); /* Nothing is in it yet. */

    OK(ANeuralNetworksExecution_create(second, &execution));
    BAD_DATA(ANeuralNetworksExecution_setOutputFromMemory(execution, 0, NULL, memory, 0, 0));
    BAD_DATA(ANeuralNetworksExecution_setInputFromMemory(execution, 0, NULL, memory, 0, 12));
    OK(ANeuralNetworksExecution_setInputFromMemory(execution, 0, NULL, memory, 0, 0));
    OK(ANeuralNetworksExecution_setOutput(execution, 0, NULL, output, 12));
    WANT(ANEURALNETWORKS_OP_FAILED, ANeuralNetworksExecution_compute(execution));
    ANeuralNetworksExecution_free(execution);

    OK(ANeuralNetworksExecution_create(compilation, &execution));
    OK(ANeuralNetworksExecution_setInput(execution, 0, NULL, input, 12));
    OK(ANeuralNetworksExecution_setOutputFromMemory(execution, 0, NULL, memory, 0, 0));
    OK(ANeuralNetworksExecution_compute(execution));
    ANeuralNetworksExecution_free(execution);
    OK(ANeuralNetworksExecution_create(second, &execution));
    OK(ANeuralNetworksExecution_setInputFromMemory(execution, 0, NULL, memory, 0, 0));
    OK(ANeuralNetworksExecution_setOutput(execution, 0, NULL, output, 12));
    OK(ANeuralNetworksExecution_compute(execution));
    WANT(2, output[1]);
    ANeuralNetworksExecution_free(execution);

    OK(ANeuralNetworksMemory_copy(memory, memory));
    OK(ANeuralNetworksMemory_copy(memory, shared));
    WANT(sizeof content, pread(fd, content, sizeof content, 0));
    WANT(3, content[2]);
    BAD_DATA(ANeuralNetworksMemory_copy(small, memory)); /* It holds nothing afterwards. */
    BAD_DATA(ANeuralNetworksMemory_copy(memory, shared));
    OK(ANeuralNetworksMemory_copy(shared, memory));
    BAD_DATA(ANeuralNetworksMemory_copy(shared, small));
    ANeuralNetworksMemory *of_buffer;
    IS_NULL(ANeuralNetworksMemory_createFromAHardwareBuffer(NULL, &of_buffer));
    WANT(ANEURALNETWORKS_UNMAPPABLE,
         ANeuralNetworksMemory_createFromAHardwareBuffer((const AHardwareBuffer *)content, &of_buffer));
    WANT(1, of_buffer == NULL);
    ANeuralNetworksMemory_free(small);
    ANeuralNetworksMemory_free(memory);
    ANeuralNetworksMemory_free(shared);
    ANeuralNetworksCompilation_free(compilation);
    ANeuralNetworksCompilation_free(second);
    close(fd);
}

static bool is_signaled(int fence) {
    struct pollfd polled = {.fd = fence, .events = POLLIN};
    return poll(&polled, 1, 0) > 0;
}

static void walk_fences(ANeuralNetworksModel *model) {
    ANeuralNetworksCompilation *compilation = compile(model);
    ANeuralNetworksExecution *execution = make_execution(compilation);
    ANeuralNetworksExecution *next = make_execution(compilation);
    ANeuralNetworksEvent *given;
    ANeuralNetworksEvent *event;
    ANeuralNetworksEvent *last;
    int start = eventfd(0, 0);
    int fence;
    IS_NULL(ANeuralNetworksEvent_createFromSyncFenceFd(start, NULL));
    BAD_DATA(ANeuralNetworksEvent_createFromSyncFenceFd(-1, &given));
    BAD_DATA(ANeuralNetworksEvent_createFromSyncFenceFd(9999, &given));
    OK(ANeuralNetworksEvent_createFromSyncFenceFd(start, &given));
    const ANeuralNetworksEvent *const waited[] = {given};
    const ANeuralNetworksEvent *const none[] = {NULL};
    IS_NULL(ANeuralNetworksExecution_startComputeWithDependencies(execution, NULL, 1, 0, &event));
    IS_NULL(ANeuralNetworksExecution_startComputeWithDependencies(execution, none, 1, 0, &event));
    IS_NULL(ANeuralNetworksExecution_startComputeWithDependencies(NULL, waited, 1, 0, &event));
    output[0] = 0;
    OK(ANeuralNetworksExecution_startComputeWithDependencies(execution, waited, 1, 0, &event));
    BAD_STATE(ANeuralNetworksExecution_compute(execution));
    ANeuralNetworksExecution_free(execution); /* It is under way, and stays. */
    OK(ANeuralNetworksExecution_startComputeWithDependencies(next, (const ANeuralNetworksEvent *const[]){event, given},
                                                             2, 0, &last));
    OK(ANeuralNetworksEvent_getSyncFenceFd(last, &fence));
    WANT(0, is_signaled(fence));
    WANT(sizeof(uint64_t), write(start, &(uint64_t){1}, sizeof(uint64_t)));
    OK(ANeuralNetworksEvent_wait(last));
    OK(ANeuralNetworksEvent_wait(event));
    OK(ANeuralNetworksEvent_wait(given));
    WANT(1, is_signaled(fence));
    WANT(1, output[0]);
    ANeuralNetworksEvent_free(event);
    ANeuralNetworksEvent_free(given);
    OK(ANeuralNetworksEvent_createFromSyncFenceFd(fence, &given));
    OK(ANeuralNetworksEvent_wait(given));
    ANeuralNetworksEvent_free(given);
    ANeuralNetworksEvent_free(last);
    ANeuralNetworksExecution_free(execution);
    ANeuralNetworksExecution_free(next);
    close(fence);
    close(start);

    execution = make_execution(compilation);
    OK(ANeuralNetworksExecution_startCompute(execution, &event));
    BAD_DATA(ANeuralNetworksEvent_getSyncFenceFd(event, &fence));
    WANT(-1, fence);
    IS_NULL(ANeuralNetworksEvent_getSyncFenceFd(NULL, &fence));
    IS_NULL(ANeuralNetworksEvent_getSyncFenceFd(event, NULL));
    ANeuralNetworksEvent_free(event);
    ANeuralNetworksExecution_free(execution);

    execution = make_execution(compilation);
    BAD_DATA(ANeuralNetworksExecution_startComputeWithDependencies(execution, NULL, 0, 5, &event));
    BAD_STATE(ANeuralNetworksExecution_startComputeWithDependencies(execution, NULL, 0, 0, &event));
    ANeuralNetworksExecution_free(execution);
    ANeuralNetworksCompilation_free(compilation);
}

/* A fence that fails: a pipe whose writer is gone. */
static void walk_failing_fence(ANeuralNetworksModel *model) {
    ANeuralNetworksCompilation *compilation = compile(model);
    ANeuralNetworksExecution *execution = make_execution(compilation);
    ANeuralNetworksEvent *given;
    ANeuralNetworksEvent *event;
    int ends[2];
    int fence;
    WANT(0, pipe(ends));
    OK(ANeuralNetworksEvent_createFromSyncFenceFd(ends[0], &given));
    OK(ANeuralNetworksExecution_startComputeWithDependencies(execution, (const ANeuralNetworksEvent *const[]){given}, 1,
                                                             0, &event));
    close(ends[1]);
    WANT(ANEURALNETWORKS_OP_FAILED, ANeuralNetworksEvent_wait(event));
    OK(ANeuralNetworksEvent_getSyncFenceFd(event, &fence));
    ANeuralNetworksExecution_free(execution);
    execution = make_execution(compilation);
    const ANeuralNetworksEvent *const failed[] = {event};
    ANeuralNetworksEvent *never;
    WANT(ANEURALNETWORKS_OP_FAILED,
         ANeuralNetworksExecution_startComputeWithDependencies(execution, failed, 1, 0, &never));
    WANT(1, never == NULL);
    ANeuralNetworksEvent_free(event);
    ANeuralNetworksEvent_free(given);
    OK(ANeuralNetworksEvent_createFromSyncFenceFd(fence, &given));
    WANT(ANEURALNETWORKS_OP_FAILED, ANeuralNetworksEvent_wait(given));
    ANeuralNetworksEvent_free(given);
    OK(ANeuralNetworksExecution_compute(execution));
    ANeuralNetworksExecution_free(execution);
    ANeuralNetworksCompilation_free(compilation);
    close(fence);
    close(ends[0]);
}

static void walk_open_outputs(void) {
    ANeuralNetworksModel *model = make_sum(&open_row);
    ANeuralNetworksCompilation *compilation = compile(model);
    ANeuralNetworksExecution *execution = make_execution(compilation);
    ANeuralNetworksEvent *event;
    BAD_DATA(ANeuralNetworksExecution_startComputeWithDependencies(execution, NULL, 0, 0, &event));
    ANeuralNetworksExecution_free(execution);
    ANeuralNetworksCompilation_free(compilation);
    ANeuralNetworksModel_free(model);
}

static ANeuralNetworksExecution *set_up(ANeuralNetworksCompilation *compilation, ANeuralNetworksMemory *memory) {
    ANeuralNetworksExecution *execution;
    OK(ANeuralNetworksExecution_create(compilation, &execution));
    OK(ANeuralNetworksExecution_setInputFromMemory(execution, 0, NULL, memory, 0, 12));
    OK(ANeuralNetworksExecution_setOutput(execution, 0, NULL, output, 12));
    return execution;
}

/* What is freed too early is told, and nothing crashes. */
static void walk_early_frees(void) {
    int fd = memfd_create("driver", 0);
    WANT(12, write(fd, input, 12));
    for (int i = 0; i < 4; i++) {
        ANeuralNetworksModel *model = make_sum(&row);
        ANeuralNetworksCompilation *compilation = compile(model);
        ANeuralNetworksMemory *memory;
        OK(ANeuralNetworksMemory_createFromFd(12, PROT_READ, fd, 0, &memory));
        ANeuralNetworksExecution *execution = set_up(compilation, memory);
        if (i == 0) {
            ANeuralNetworksModel_free(model);
        } else if (i == 1) {
            ANeuralNetworksCompilation_free(compilation);
        } else if (i == 2) {
            ANeuralNetworksMemory_free(memory);
        }
        WANT(i == 3 ? ANEURALNETWORKS_NO_ERROR : ANEURALNETWORKS_BAD_STATE, ANeuralNetworksExecution_compute(execution));
        ANeuralNetworksExecution_free(execution);
        if (i != 2) {
            ANeuralNetworksMemory_free(memory);
        }
        if (i != 1) {
            ANeuralNetworksCompilation_free(compilation);
        }
        if (i != 0) {
            ANeuralNetworksModel_free(model);
        }
    }
    ANeuralNetworksModel *model = make_sum(&row);
    ANeuralNetworksCompilation *compilation;
    OK(ANeuralNetworksCompilation_create(model, &compilation));
    ANeuralNetworksModel_free(model);
    BAD_STATE(ANeuralNetworksCompilation_finish(compilation));
    ANeuralNetworksCompilation_free(compilation);
    close(fd);
}

static void walk_cache(ANeuralNetworksModel *model) {
    const uint8_t token[ANEURALNETWORKS_BYTE_SIZE_OF_CACHE_TOKEN] = {1, 2, 3};
    char folder[] = "/tmp/nnapi-check-XXXXXX";
    ANeuralNetworksCompilation *compilation;
    WANT(1, mkdtemp(folder) != NULL);
    for (int i = 0; i < 3; i++) {
        int before = finished;
        OK(ANeuralNetworksCompilation_create(model, &compilation));
        IS_NULL(ANeuralNetworksCompilation_setCaching(compilation, NULL, token));
        IS_NULL(ANeuralNetworksCompilation_setCaching(compilation, folder, NULL));
        OK(ANeuralNetworksCompilation_setCaching(compilation, "/nowhere", token));
        OK(ANeuralNetworksCompilation_setCaching(compilation, i == 2 ? "/nowhere" : folder, token));
        OK(ANeuralNetworksCompilation_finish(compilation));
        WANT(i == 1, finished - before); /* The second takes its model from the cache. */
        BAD_STATE(ANeuralNetworksCompilation_setCaching(compilation, folder, token));
        ANeuralNetworksExecution *execution = make_execution(compilation);
        OK(ANeuralNetworksExecution_compute(execution));
        WANT(3, output[2]);
        ANeuralNetworksExecution_free(execution);
        ANeuralNetworksCompilation_free(compilation);
    }
    char command[128];
    snprintf(command, sizeof command, "rm %s/0102*.nnapi-check && rmdir %s", folder, folder);
    WANT(0, system(command));
}

void walk_later(void) {
    ANeuralNetworksModel *model = make_sum(&row);
    walk_compilation_settings(model);
    walk_execution_settings(model);
    walk_bursts(model);
    walk_memory_domains(model);
    walk_open_memory();
    walk_fences(model);
    walk_failing_fence(model);
    walk_open_outputs();
    walk_early_frees();
    walk_cache(model);
    ANeuralNetworksModel_free(model);
}

/* Executions that run while their caller goes on, and what they wait for.

   A sync fence is emulated by the reading end of a pipe: it can be read from when it is signaled, and is hung up
   without a byte where it failed. Another file descriptor that can be polled, such as an eventfd, serves as well. */

#define _GNU_SOURCE

#include "state.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct ANeuralNetworksEvent {
    atomic_int references;
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool is_over;
    int result;
    bool has_thread; /* Else a fence tells when it is over. */
    pthread_t thread;
    int fence;
    int signal;
    ANeuralNetworksExecution *execution;
    uint64_t timeout;
    ANeuralNetworksEvent **dependencies;
    uint32_t dependency_count;
    const char *function;
};

static ANeuralNetworksEvent *make_event(void) {
    ANeuralNetworksEvent *event = calloc(1, sizeof *event);
    if (event != NULL) {
        atomic_init(&event->references, 1);
        pthread_mutex_init(&event->lock, NULL);
        pthread_cond_init(&event->change, NULL);
        event->fence = event->signal = -1;
        count_objects(1);
    }
    return event;
}

static ANeuralNetworksEvent *hold_event(const ANeuralNetworksEvent *event) {
    ANeuralNetworksEvent *held = (ANeuralNetworksEvent *)event;
    atomic_fetch_add(&held->references, 1);
    return held;
}

static void close_if_open(int fd) {
    if (fd >= 0) {
        close(fd);
    }
}

static void release_event(ANeuralNetworksEvent *event) {
    if (event == NULL || atomic_fetch_sub(&event->references, 1) != 1) {
        return;
    }
    if (event->has_thread) {
        pthread_join(event->thread, NULL);
    }
    for (uint32_t i = 0; i < event->dependency_count; i++) {
        release_event(event->dependencies[i]);
    }
    free(event->dependencies);
    close_if_open(event->fence);
    close_if_open(event->signal);
    pthread_cond_destroy(&event->change);
    pthread_mutex_destroy(&event->lock);
    free(event);
    count_objects(-1);
}

/* The code of a fence, which must be signaled within so many milliseconds; a negative number is forever. */
static int wait_for_fence(int fence, int milliseconds) {
    struct pollfd polled = {.fd = fence, .events = POLLIN};
    int ready;
    do {
        ready = poll(&polled, 1, milliseconds);
    } while (ready < 0);
    if (ready == 0) {
        return ANEURALNETWORKS_NO_ERROR;
    }
    return (polled.revents & POLLIN) != 0 ? ANEURALNETWORKS_NO_ERROR : ANEURALNETWORKS_OP_FAILED;
}

static int wait_for(ANeuralNetworksEvent *event) {
    if (!event->has_thread) {
        return wait_for_fence(event->fence, -1);
    }
    pthread_mutex_lock(&event->lock);
    while (!event->is_over) {
        pthread_cond_wait(&event->change, &event->lock);
    }
    int result = event->result;
    pthread_mutex_unlock(&event->lock);
    return result;
}

/* Whether an event has failed already. */
static bool has_failed(ANeuralNetworksEvent *event) {
    if (!event->has_thread) {
        return wait_for_fence(event->fence, 0) != ANEURALNETWORKS_NO_ERROR;
    }
    pthread_mutex_lock(&event->lock);
    bool failed = event->is_over && event->result != ANEURALNETWORKS_NO_ERROR;
    pthread_mutex_unlock(&event->lock);
    return failed;
}

static void *run_in_thread(void *shared) {
    ANeuralNetworksEvent *event = shared;
    int result = ANEURALNETWORKS_NO_ERROR;
    for (uint32_t i = 0; i < event->dependency_count; i++) {
        if (wait_for(event->dependencies[i]) != ANEURALNETWORKS_NO_ERROR) {
            result = refuse(ANEURALNETWORKS_OP_FAILED, event->function, "dependency %u failed", i);
        }
    }
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = run_execution(event->execution, event->timeout, event->function);
    } else {
        finish_execution(event->execution, result);
    }
    pthread_mutex_lock(&event->lock);
    event->is_over = true;
    event->result = result;
    if (event->signal >= 0) {
        if (result == ANEURALNETWORKS_NO_ERROR && write(event->signal, "", 1) != 1) {
            event->result = ANEURALNETWORKS_OP_FAILED;
        }
        close(event->signal);
        event->signal = -1;
    }
    pthread_cond_broadcast(&event->change);
    pthread_mutex_unlock(&event->lock);
    return NULL;
}

/* Start the thread of an event that is complete; else let the event go, and finish the execution. */
static int start_thread(ANeuralNetworksEvent *event, ANeuralNetworksEvent **place, const char *function) {
    event->has_thread = pthread_create(&event->thread, NULL, run_in_thread, event) == 0;
    if (!event->has_thread) {
        finish_execution(event->execution, ANEURALNETWORKS_RESOURCE_EXHAUSTED_TRANSIENT);
        release_event(event);
        return refuse(ANEURALNETWORKS_RESOURCE_EXHAUSTED_TRANSIENT, function, "no thread can be started");
    }
    *place = event;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksExecution_startCompute(ANeuralNetworksExecution *execution, ANeuralNetworksEvent **event) {
    if (event == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the event has no place");
    }
    *event = NULL;
    if (execution == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the execution is null");
    }
    ANeuralNetworksEvent *created = make_event();
    if (created == NULL) {
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    int result = begin_execution(execution, __func__);
    if (result != ANEURALNETWORKS_NO_ERROR) {
        release_event(created);
        return result;
    }
    created->execution = execution;
    created->timeout = execution->timeout;
    created->function = __func__;
    return start_thread(created, event, __func__);
}

static int check_dependencies(const ANeuralNetworksEvent *const *dependencies, uint32_t count, const char *function) {
    if (dependencies == NULL && count != 0) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, function, "the list of dependencies is null");
    }
    for (uint32_t i = 0; i < count; i++) {
        if (dependencies[i] == NULL) {
            return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, function, "dependency %u is null", i);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (has_failed((ANeuralNetworksEvent *)dependencies[i])) {
            return refuse(ANEURALNETWORKS_OP_FAILED, function, "dependency %u has failed", i);
        }
    }
    return ANEURALNETWORKS_NO_ERROR;
}

static int check_outputs(const ANeuralNetworksExecution *execution, const char *function) {
    const struct host_model *model = &execution->compilation->model->view;
    for (uint32_t i = 0; i < execution->view.output_count; i++) {
        const struct host_argument *output = &execution->view.outputs[i];
        int32_t type = model->operands[model->outputs[i]].type;
        if (output->state == HOST_ARGUMENT_GIVEN && size_of_value(type, output->rank, output->dimensions) == 0) {
            return refuse(ANEURALNETWORKS_BAD_DATA, function, "output %u has unspecified dimensions", i);
        }
    }
    return ANEURALNETWORKS_NO_ERROR;
}

/* An event with a fence, which depends on others. */
static ANeuralNetworksEvent *make_fenced(const ANeuralNetworksEvent *const *dependencies, uint32_t count) {
    int ends[2];
    ANeuralNetworksEvent *event = make_event();
    if (event == NULL) {
        return NULL;
    }
    event->dependencies = calloc(count == 0 ? 1 : count, sizeof *event->dependencies);
    if (event->dependencies == NULL || pipe2(ends, O_CLOEXEC) != 0) {
        release_event(event);
        return NULL;
    }
    event->fence = ends[0];
    event->signal = ends[1];
    for (uint32_t i = 0; i < count; i++) {
        event->dependencies[event->dependency_count++] = hold_event(dependencies[i]);
    }
    return event;
}

int ANeuralNetworksExecution_startComputeWithDependencies(ANeuralNetworksExecution *execution,
                                                          const ANeuralNetworksEvent *const *dependencies,
                                                          uint32_t count, uint64_t duration,
                                                          ANeuralNetworksEvent **event) {
    REQUIRE(ANeuralNetworksExecution_startComputeWithDependencies);
    if (event == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the event has no place");
    }
    *event = NULL;
    if (execution == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the execution is null");
    }
    int result = check_dependencies(dependencies, count, __func__);
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = begin_execution(execution, __func__);
    }
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return result;
    }
    if (duration != 0) {
        result = check_one_device(execution->compilation, __func__);
    }
    if (result == ANEURALNETWORKS_NO_ERROR) {
        result = check_outputs(execution, __func__);
    }
    if (result != ANEURALNETWORKS_NO_ERROR) {
        return finish_execution(execution, result);
    }
    ANeuralNetworksEvent *created = make_fenced(dependencies, count);
    if (created == NULL) {
        finish_execution(execution, ANEURALNETWORKS_OUT_OF_MEMORY);
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory or no file descriptor is left");
    }
    created->execution = execution;
    created->timeout = duration;
    created->function = __func__;
    return start_thread(created, event, __func__);
}

int ANeuralNetworksEvent_createFromSyncFenceFd(int fence, ANeuralNetworksEvent **event) {
    REQUIRE(ANeuralNetworksEvent_createFromSyncFenceFd);
    if (event == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the event has no place");
    }
    *event = NULL;
    int own = fence <= 0 ? -1 : fcntl(fence, F_DUPFD_CLOEXEC, 0);
    if (own < 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "file descriptor %d is not open", fence);
    }
    ANeuralNetworksEvent *created = make_event();
    if (created == NULL) {
        close(own);
        return refuse(ANEURALNETWORKS_OUT_OF_MEMORY, __func__, "no memory is left");
    }
    created->fence = own;
    *event = created;
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksEvent_getSyncFenceFd(const ANeuralNetworksEvent *event, int *fence) {
    REQUIRE(ANeuralNetworksEvent_getSyncFenceFd);
    if (fence == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the result has no place");
    }
    *fence = -1;
    if (event == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the event is null");
    }
    if (event->fence < 0 || (*fence = fcntl(event->fence, F_DUPFD_CLOEXEC, 0)) < 0) {
        *fence = -1;
        return refuse(ANEURALNETWORKS_BAD_DATA, __func__, "the event has no fence");
    }
    return ANEURALNETWORKS_NO_ERROR;
}

int ANeuralNetworksEvent_wait(ANeuralNetworksEvent *event) {
    if (event == NULL) {
        return refuse(ANEURALNETWORKS_UNEXPECTED_NULL, __func__, "the event is null");
    }
    return wait_for(event);
}

void ANeuralNetworksEvent_free(ANeuralNetworksEvent *event) {
    if (event != NULL) {
        wait_for(event);
        release_event(event);
    }
}

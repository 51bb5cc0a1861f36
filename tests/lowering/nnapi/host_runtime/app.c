/* An app without Python: it opens libneuralnetworks.so by its name, as apps on phones do, and adds ones to a row.

   Prints which functions it looked up and what it computed; fails with 2 where a function is missing that it needs.
   app compute | app start | app many | app early (which frees a weight too early) */

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "neural_networks.h"

static void *library;

static void *find(const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL) {
        printf("%s is missing\n", name);
        exit(2);
    }
    return found;
}

/* A function by its name and its type. */
#define CALL(name, ...) (((__typeof__(&name))find(#name))(__VA_ARGS__))

#define OK(call)                                   \
    do {                                           \
        int code_ = (call);                        \
        if (code_ != ANEURALNETWORKS_NO_ERROR) {   \
            printf("%s gives %d\n", #call, code_); \
            exit(1);                               \
        }                                          \
    } while (0)

static const uint32_t shape[] = {1, 40};
static const ANeuralNetworksOperandType row = {ANEURALNETWORKS_TENSOR_FLOAT32, 2, shape, 0.0f, 0};
static const ANeuralNetworksOperandType integer = {ANEURALNETWORKS_INT32, 0, NULL, 0.0f, 0};
static float *ones;
#define ONES_BYTES (40 * sizeof *ones)

static ANeuralNetworksModel *make_model(int32_t operation) {
    static const uint32_t inputs[] = {0, 1, 2};
    static const uint32_t outputs[] = {3};
    int32_t no_activation = 0;
    ANeuralNetworksModel *model;
    OK(CALL(ANeuralNetworksModel_create, &model));
    OK(CALL(ANeuralNetworksModel_addOperand, model, &row));
    OK(CALL(ANeuralNetworksModel_addOperand, model, &row));
    OK(CALL(ANeuralNetworksModel_addOperand, model, &integer));
    OK(CALL(ANeuralNetworksModel_addOperand, model, &row));
    OK(CALL(ANeuralNetworksModel_setOperandValue, model, 1, ones, ONES_BYTES));
    OK(CALL(ANeuralNetworksModel_setOperandValue, model, 2, &no_activation, sizeof no_activation));
    OK(CALL(ANeuralNetworksModel_addOperation, model, operation, 3, inputs, 1, outputs));
    OK(CALL(ANeuralNetworksModel_identifyInputsAndOutputs, model, 1, inputs, 1, outputs));
    OK(CALL(ANeuralNetworksModel_finish, model));
    return model;
}

static bool starts;
static ANeuralNetworksCompilation *compilation;

static float run_once(float first) {
    float given[40] = {first};
    float found[40] = {0};
    ANeuralNetworksExecution *execution;
    OK(CALL(ANeuralNetworksExecution_create, compilation, &execution));
    OK(CALL(ANeuralNetworksExecution_setInput, execution, 0, NULL, given, sizeof given));
    OK(CALL(ANeuralNetworksExecution_setOutput, execution, 0, NULL, found, sizeof found));
    if (starts) {
        ANeuralNetworksEvent *event;
        OK(CALL(ANeuralNetworksExecution_startCompute, execution, &event));
        OK(CALL(ANeuralNetworksEvent_wait, event));
        CALL(ANeuralNetworksEvent_free, event);
    } else {
        OK(CALL(ANeuralNetworksExecution_compute, execution));
    }
    CALL(ANeuralNetworksExecution_free, execution);
    return found[0];
}

static void *run_often(void *first) {
    for (int i = 0; i < 10; i++) {
        if (run_once(*(float *)first) != *(float *)first + 1) {
            printf("another number\n");
        }
    }
    return NULL;
}

int main(int count, char **words) {
    library = dlopen("libneuralnetworks.so", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        printf("%s\n", dlerror());
        return 3;
    }
    ones = malloc(ONES_BYTES);
    for (size_t i = 0; i < 40; i++) {
        ones[i] = 1;
    }
    starts = count > 1 && strcmp(words[1], "start") == 0;
    ANeuralNetworksModel *model = make_model(count > 2 ? atoi(words[2]) : 0);
    OK(CALL(ANeuralNetworksCompilation_create, model, &compilation));
    OK(CALL(ANeuralNetworksCompilation_finish, compilation));
    if (count > 1 && strcmp(words[1], "early") == 0) {
        free(ones);
        ones = NULL;
    }
    printf("%g\n", (double)run_once(41));
    if (count > 1 && strcmp(words[1], "many") == 0) {
        pthread_t threads[4];
        float firsts[4] = {1, 2, 3, 4};
        for (int i = 0; i < 4; i++) {
            pthread_create(&threads[i], NULL, run_often, &firsts[i]);
        }
        for (int i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
        }
    }
    CALL(ANeuralNetworksCompilation_free, compilation);
    CALL(ANeuralNetworksModel_free, model);
    free(ones);
    dlclose(library);
    return 0;
}

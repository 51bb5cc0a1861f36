/* What the parts of the driver share. */

#ifndef DRIVER_H
#define DRIVER_H

#include <stdio.h>

#include "bridge.h"

extern _Atomic int failures;
extern int released;
extern int prepare_code;
extern int finished;
extern _Atomic long delay_nanoseconds;
extern uint32_t output_columns;
extern const struct host_callbacks callbacks;
extern const struct host_callbacks silent;

#define WANT(wanted, call)                                                                    \
    do {                                                                                      \
        long found_ = (long)(call);                                                           \
        if (found_ != (long)(wanted)) {                                                       \
            printf("line %d: %s gives %ld, wanted %ld\n", __LINE__, #call, found_, (long)(wanted)); \
            failures++;                                                                       \
        }                                                                                     \
    } while (0)

#define OK(call) WANT(ANEURALNETWORKS_NO_ERROR, call)
#define BAD_DATA(call) WANT(ANEURALNETWORKS_BAD_DATA, call)
#define BAD_STATE(call) WANT(ANEURALNETWORKS_BAD_STATE, call)
#define IS_NULL(call) WANT(ANEURALNETWORKS_UNEXPECTED_NULL, call)

/* Operand types: three floats, one row with an open dimension, 64 floats, and an integer. */
extern const ANeuralNetworksOperandType row;
extern const ANeuralNetworksOperandType open_row;
extern const ANeuralNetworksOperandType big_row;
extern const ANeuralNetworksOperandType integer;
extern const uint32_t row_shape[2];
extern const uint32_t first[1];

/* A finished model of one addition; the type is that of its result. */
ANeuralNetworksModel *make_sum(const ANeuralNetworksOperandType *result);
ANeuralNetworksCompilation *compile(ANeuralNetworksModel *model);

void walk_models(void);
void walk_runs(void);
void walk_later(void);
void walk_at_random(void);

#endif

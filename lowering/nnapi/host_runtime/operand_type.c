/* Operand types: element sizes, quantization parameters, dimensions. */

#include "state.h"

#define LARGEST_VALUE UINT32_MAX

bool is_tensor_type(int32_t type) {
    switch (type) {
        case ANEURALNETWORKS_FLOAT32:
        case ANEURALNETWORKS_INT32:
        case ANEURALNETWORKS_UINT32:
        case ANEURALNETWORKS_BOOL:
        case ANEURALNETWORKS_FLOAT16:
        case ANEURALNETWORKS_MODEL:
            return false;
        default:
            return true;
    }
}

static uint64_t size_of_element(int32_t type) {
    switch (type) {
        case ANEURALNETWORKS_FLOAT32:
        case ANEURALNETWORKS_INT32:
        case ANEURALNETWORKS_UINT32:
        case ANEURALNETWORKS_TENSOR_FLOAT32:
        case ANEURALNETWORKS_TENSOR_INT32:
            return 4;
        case ANEURALNETWORKS_FLOAT16:
        case ANEURALNETWORKS_TENSOR_FLOAT16:
        case ANEURALNETWORKS_TENSOR_QUANT16_SYMM:
        case ANEURALNETWORKS_TENSOR_QUANT16_ASYMM:
            return 2;
        case ANEURALNETWORKS_MODEL:
            return 0;
        default:
            return 1;
    }
}

uint64_t size_of_value(int32_t type, uint32_t rank, const uint32_t *dimensions) {
    if (is_tensor_type(type) && rank == 0) {
        return 0;
    }
    uint64_t size = size_of_element(type);
    for (uint32_t i = 0; i < rank; i++) {
        size *= dimensions[i];
    }
    return size;
}

static int check_quantization(const ANeuralNetworksOperandType *type, const char *function) {
    int32_t lowest = 0;
    int32_t highest = 0;
    switch (type->type) {
        case ANEURALNETWORKS_TENSOR_INT32:
            return ANEURALNETWORKS_NO_ERROR;
        case ANEURALNETWORKS_TENSOR_QUANT8_ASYMM:
            highest = 255;
            break;
        case ANEURALNETWORKS_TENSOR_QUANT8_ASYMM_SIGNED:
            lowest = -128;
            highest = 127;
            break;
        case ANEURALNETWORKS_TENSOR_QUANT16_ASYMM:
            highest = 65535;
            break;
        case ANEURALNETWORKS_TENSOR_QUANT8_SYMM:
        case ANEURALNETWORKS_TENSOR_QUANT16_SYMM:
            break;
        default:
            if (type->scale != 0.0f || type->zeroPoint != 0) {
                return refuse(ANEURALNETWORKS_BAD_DATA, function,
                              "operand type %d has scale %g and zero point %d, wanted 0 and 0", (int)type->type,
                              (double)type->scale, (int)type->zeroPoint);
            }
            return ANEURALNETWORKS_NO_ERROR;
    }
    if (!(type->scale > 0.0f)) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "operand type %d has scale %g, wanted more than 0",
                      (int)type->type, (double)type->scale);
    }
    if (type->zeroPoint < lowest || type->zeroPoint > highest) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "operand type %d has zero point %d, wanted %d to %d",
                      (int)type->type, (int)type->zeroPoint, (int)lowest, (int)highest);
    }
    return ANEURALNETWORKS_NO_ERROR;
}

int check_operand_type(const ANeuralNetworksOperandType *type, const char *function) {
    if (type->type < ANEURALNETWORKS_FLOAT32 || type->type > ANEURALNETWORKS_MODEL) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "operand type %d does not exist", (int)type->type);
    }
    if ((type->dimensions == NULL) != (type->dimensionCount == 0)) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "dimensions are %s, and their count is %u",
                      type->dimensions == NULL ? "null" : "given", type->dimensionCount);
    }
    if (!is_tensor_type(type->type) && type->dimensionCount != 0) {
        return refuse(ANEURALNETWORKS_BAD_DATA, function, "operand type %d is a scalar and has %u dimensions",
                      (int)type->type, type->dimensionCount);
    }
    uint64_t size = size_of_element(type->type);
    for (uint32_t i = 0; i < type->dimensionCount; i++) {
        if (type->dimensions[i] == 0) {
            continue;
        }
        size *= type->dimensions[i];
        if (size > LARGEST_VALUE) {
            return refuse(ANEURALNETWORKS_BAD_DATA, function, "an operand has more than %u bytes", LARGEST_VALUE);
        }
    }
    return check_quantization(type, function);
}

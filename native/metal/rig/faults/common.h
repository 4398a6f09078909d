// Forbids contraction in one spelling only. // wrong: contraction
#include <metal_stdlib>
#pragma clang fp contract(off)

// The shading language's names of C++'s numbers.
#pragma once
using uint = uint32_t;
using ushort = uint16_t;
using uchar = uint8_t;
using ulong = uint64_t;
using half = _Float16;
using bfloat = __bf16;
#define FLT_MAX 3.402823466e+38f

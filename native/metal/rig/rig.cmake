# The emulator, the fake Metal and the translated kernels. Sets rig_objc_sources and rig_libraries.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "The emulated Metal backend needs clang: configure with -DCMAKE_CXX_COMPILER=clang++-19.")
endif()
set(rig ${metal_folder}/rig)
find_program(NODE_EXECUTABLE node REQUIRED)
file(GLOB objc_header_folders /usr/lib/gcc/*/*/include/objc/objc.h)
list(GET objc_header_folders -1 objc_header)
get_filename_component(objc_headers ${objc_header} DIRECTORY)
get_filename_component(objc_headers ${objc_headers} DIRECTORY)
get_filename_component(gcc_folder ${objc_headers} DIRECTORY)
find_library(GNUSTEP_BASE gnustep-base REQUIRED)
find_library(OBJC_RUNTIME objc REQUIRED PATHS ${gcc_folder})

# libgcc 12 cannot narrow to bfloat16.
execute_process(COMMAND ${CMAKE_CXX_COMPILER} -rtlib=compiler-rt -print-libgcc-file-name
  OUTPUT_VARIABLE compiler_builtins OUTPUT_STRIP_TRAILING_WHITESPACE)

set(rig_sanitize "")
if(AFTERIMAGE_RIG_SANITIZE STREQUAL "address")
  set(rig_sanitize -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
elseif(AFTERIMAGE_RIG_SANITIZE STREQUAL "thread")
  set(rig_sanitize -fsanitize=thread -g)
endif()

# Kernels: one C++ file per text, compiled as the shading language reads it.
set(kernel_flags -std=c++20 -O2 -ffp-contract=off -fno-math-errno -fno-lax-vector-conversions
  "SHELL:-Xclang -cl-single-precision-constant" "SHELL:-Xclang -ffloat16-excess-precision=none"
  "SHELL:-Xclang -fbfloat16-excess-precision=none" -Wall -Wextra -Wno-unused-function)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
  list(APPEND kernel_flags -march=x86-64-v3)
endif()
file(GLOB generator_files CONFIGURE_DEPENDS ${rig}/*.ts)
file(GLOB language_headers CONFIGURE_DEPENDS ${rig}/msl/*.h ${rig}/runtime/*.h)
set(translated "")
set(declarations "")
set(addresses "")
foreach(family ${families})
  string(APPEND declarations "const rig::Library& rig_library_${family}();\n")
  string(APPEND addresses "&rig_library_${family}(), ")
  add_custom_command(OUTPUT ${kernels_out}/${family}.cpp
    COMMAND ${NODE_EXECUTABLE} --import tsx ${rig}/generate.ts ${kernels_out}/${family}.metal ${kernels_out}/${family}.cpp --clang ${CMAKE_CXX_COMPILER}
    WORKING_DIRECTORY ${metal_folder}/../..
    DEPENDS ${kernels_out}/${family}.metal ${generator_files}
    COMMENT "Translating ${family}.metal")
  list(APPEND translated ${kernels_out}/${family}.cpp)
endforeach()
file(CONFIGURE OUTPUT ${kernels_out}/libraries.cpp CONTENT "// Made by rig.cmake.\n#include \"runtime/emulator.h\"\n
@declarations@
std::vector<const rig::Library*> rig::compiled_libraries() { return {@addresses@}; }
" @ONLY)
add_library(afterimage_rig_kernels STATIC ${translated} ${kernels_out}/libraries.cpp)
set_source_files_properties(${translated} PROPERTIES OBJECT_DEPENDS "${language_headers}")
target_include_directories(afterimage_rig_kernels PRIVATE ${rig})
target_compile_options(afterimage_rig_kernels PRIVATE ${kernel_flags} ${rig_sanitize})

# The strict pass: address spaces are real and nothing is run.
add_library(afterimage_rig_strict OBJECT EXCLUDE_FROM_ALL ${translated})
target_include_directories(afterimage_rig_strict PRIVATE ${rig})
target_compile_definitions(afterimage_rig_strict PRIVATE RIG_STRICT)
target_compile_options(afterimage_rig_strict PRIVATE ${kernel_flags} -fsyntax-only)

# The runtime is not instrumented for data races: it says itself which of its operations order memory.
add_library(afterimage_rig_runtime STATIC ${rig}/runtime/registry.cpp ${rig}/runtime/fiber.cpp ${rig}/runtime/group.cpp)
target_compile_options(afterimage_rig_runtime PRIVATE -O2)
if(AFTERIMAGE_RIG_SANITIZE STREQUAL "thread")
  target_compile_definitions(afterimage_rig_runtime PUBLIC RIG_TSAN=1)
  target_compile_options(afterimage_rig_runtime PRIVATE -fno-sanitize=all -fno-builtin)
else()
  target_compile_options(afterimage_rig_runtime PRIVATE ${rig_sanitize})
endif()

set(rig_objc_sources ${metal_folder}/device.mm ${rig}/fake/fake_device.mm ${rig}/fake/fake_commands.mm ${rig}/fake/fake_state.cpp)
set(objc_flags "-x;objective-c++;-fobjc-runtime=gcc;-fobjc-exceptions;-fconstant-string-class=NSConstantString;-isystem;/usr/include/GNUstep;-idirafter;${objc_headers};-I${rig}/fake;-I${rig};-Wno-deprecated-declarations")
set_source_files_properties(${metal_folder}/device.mm ${rig}/fake/fake_device.mm ${rig}/fake/fake_commands.mm PROPERTIES
  LANGUAGE CXX COMPILE_OPTIONS "${objc_flags}")
set_source_files_properties(${rig}/fake/fake_state.cpp PROPERTIES COMPILE_OPTIONS "-I${rig}")
# The two refer to each other.
target_link_libraries(afterimage_rig_runtime PUBLIC afterimage_rig_kernels)
target_link_libraries(afterimage_rig_kernels PUBLIC afterimage_rig_runtime ${compiler_builtins})
set(rig_libraries afterimage_rig_runtime ${compiler_builtins} ${GNUSTEP_BASE} ${OBJC_RUNTIME})
if(rig_sanitize)
  list(APPEND rig_libraries ${rig_sanitize})
endif()

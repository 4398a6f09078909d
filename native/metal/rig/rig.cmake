# The emulator, the fake Metal and the translated kernels, as
#   add_emulated_metal(<suffix> [sanitizer]): library afterimage_metal<suffix>, kernels and emulator under the sanitizer.
# With -DAFTERIMAGE_METAL_TRAFFIC=ON the kernels count what they load, store and compute (traffic/traffic.h).
option(AFTERIMAGE_METAL_TRAFFIC "Emulated kernels count memory traffic and operations" OFF)
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "The emulated Metal backend needs clang: configure with -DCMAKE_CXX_COMPILER=clang++-19.")
endif()
set(rig ${metal_folder}/rig)
find_program(NODE_EXECUTABLE node REQUIRED)
file(GLOB objc_header_files /usr/lib/gcc/*/*/include/objc/objc.h)
if(NOT objc_header_files)
  message(FATAL_ERROR "The emulated Metal backend needs GNUstep: apt-get install gobjc libgnustep-base-dev.")
endif()
list(GET objc_header_files -1 objc_header)
get_filename_component(objc_headers ${objc_header}/../.. ABSOLUTE)
find_library(GNUSTEP_BASE gnustep-base REQUIRED)
find_library(OBJC_RUNTIME objc REQUIRED PATHS ${objc_headers}/..)
# libgcc 12 cannot narrow to bfloat16.
execute_process(COMMAND ${CMAKE_CXX_COMPILER} -rtlib=compiler-rt -print-libgcc-file-name
  OUTPUT_VARIABLE compiler_builtins OUTPUT_STRIP_TRAILING_WHITESPACE)

# Kernels: one C++ file per text, compiled as the shading language reads it.
set(plain_kernel_flags -ffp-contract=off -fno-math-errno -fno-lax-vector-conversions -Xclang -cl-single-precision-constant
  -Xclang -ffloat16-excess-precision=none -Xclang -fbfloat16-excess-precision=none -Wno-unused-function -Wno-unknown-pragmas)
set(machine_flags "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
  set(machine_flags -march=x86-64-v3)
endif()
list(APPEND plain_kernel_flags ${machine_flags})
# CMake merges repeated options unless they are one word.
string(REGEX REPLACE "-Xclang;([^;]+)" "SHELL:-Xclang \\1" kernel_flags "${plain_kernel_flags}")
# Kernels ask the emulator for their place at every step: no detour over dynamic symbols or thread-local look-ups.
set(direct_access -fvisibility=hidden -ftls-model=initial-exec)
file(GLOB generator_files CONFIGURE_DEPENDS ${rig}/*.ts)
file(GLOB language_headers CONFIGURE_DEPENDS ${rig}/msl/*.h ${rig}/runtime/*.h)

# Instrumented objects of the translated kernels, in `out`. Wide loops stay scalar: a lane's accesses are its own.
function(instrument_kernels out)
  set(objects "")
  foreach(source ${translated})
    get_filename_component(family ${source} NAME_WE)
    set(assembly ${kernels_out}/${family}.ll)
    set(object ${kernels_out}/${family}.counting.o)
    add_custom_command(OUTPUT ${object}
      COMMAND ${CMAKE_CXX_COMPILER} -std=c++20 -DNDEBUG -O2 -fPIC -fno-exceptions -fno-vectorize -fno-slp-vectorize
        ${plain_kernel_flags} ${direct_access} -I${rig} -S -emit-llvm ${source} -o ${assembly}
      COMMAND ${NODE_EXECUTABLE} --import tsx ${rig}/traffic/instrument.ts ${assembly} ${kernels_out}/${family}.counting.ll
      COMMAND ${CMAKE_CXX_COMPILER} -O1 -fPIC ${machine_flags} -c ${kernels_out}/${family}.counting.ll -o ${object}
      WORKING_DIRECTORY ${metal_folder}/../..
      DEPENDS ${source} ${rig}/traffic/instrument.ts ${language_headers} VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  set_source_files_properties(${objects} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  set(${out} ${objects} PARENT_SCOPE)
endfunction()

function(translate_kernels source target)
  add_custom_command(OUTPUT ${target}
    COMMAND ${NODE_EXECUTABLE} --import tsx ${rig}/generate.ts ${source} ${target} --clang ${CMAKE_CXX_COMPILER}
    WORKING_DIRECTORY ${metal_folder}/../..
    DEPENDS ${source} ${generator_files})
  set_source_files_properties(${target} PROPERTIES OBJECT_DEPENDS "${language_headers}")
endfunction()

set(translated "")
set(declarations "")
set(addresses "")
foreach(family ${families})
  translate_kernels(${kernels_out}/${family}.metal ${kernels_out}/${family}.cpp)
  list(APPEND translated ${kernels_out}/${family}.cpp)
  string(APPEND declarations "const rig::Library& rig_library_${family}();\n")
  string(APPEND addresses "&rig_library_${family}(), ")
endforeach()
file(CONFIGURE OUTPUT ${kernels_out}/libraries.cpp CONTENT "// Made by rig.cmake.\n#include \"runtime/emulator.h\"\n
@declarations@
std::vector<const rig::Library*> rig::compiled_libraries() { return {@addresses@}; }
" @ONLY)
# The same generated files are compiled by several libraries: generate them once.
add_custom_target(afterimage_rig_generated DEPENDS ${translated} ${kernels_out}/kernel_source.cpp)

set(objc_sources ${metal_folder}/device.mm ${rig}/fake/fake_device.mm ${rig}/fake/fake_commands.mm)
set(objc_flags "-x;objective-c++;-fobjc-runtime=gcc;-fobjc-exceptions;-fconstant-string-class=NSConstantString;-isystem;/usr/include/GNUstep;-idirafter;${objc_headers};-I${rig}/fake;-I${rig};-Wno-deprecated-declarations;-Wno-objc-protocol-method-implementation")
set_source_files_properties(${objc_sources} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "${objc_flags}")
set(fake_sources ${rig}/fake/fake_state.cpp ${rig}/fake/work.cpp)
set_source_files_properties(${fake_sources} PROPERTIES COMPILE_OPTIONS "-I${rig}")

function(sanitize_flags sanitizer out)
  set(flags "")
  if(sanitizer STREQUAL "address")
    set(flags -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all -fno-omit-frame-pointer -g1 -O1)
  elseif(sanitizer STREQUAL "thread")
    set(flags -fsanitize=thread -g1 -O1)
  endif()
  set(${out} "${flags}" PARENT_SCOPE)
endfunction()

# Under ThreadSanitizer the runtime itself is not instrumented: it says which of its operations order memory.
function(add_rig_runtime suffix sanitizer)
  sanitize_flags("${sanitizer}" flags)
  add_library(afterimage_rig_runtime${suffix} STATIC ${rig}/runtime/registry.cpp ${rig}/runtime/fiber.cpp ${rig}/runtime/group.cpp)
  target_compile_options(afterimage_rig_runtime${suffix} PRIVATE ${direct_access})
  if(AFTERIMAGE_METAL_TRAFFIC)
    target_sources(afterimage_rig_runtime${suffix} PRIVATE ${rig}/traffic/traffic.cpp)
    target_compile_definitions(afterimage_rig_runtime${suffix} PUBLIC RIG_TRAFFIC=1)
  endif()
  if(sanitizer STREQUAL "thread")
    target_compile_definitions(afterimage_rig_runtime${suffix} PUBLIC RIG_TSAN=1)
    target_compile_options(afterimage_rig_runtime${suffix} PRIVATE -fno-builtin)
  else()
    target_compile_options(afterimage_rig_runtime${suffix} PRIVATE ${flags})
  endif()
  target_link_options(afterimage_rig_runtime${suffix} INTERFACE ${flags})
endfunction()

function(add_emulated_metal suffix)
  sanitize_flags("${ARGN}" flags)
  add_rig_runtime("${suffix}" "${ARGN}")
  set(kernel_objects ${translated})
  if(AFTERIMAGE_METAL_TRAFFIC)
    instrument_kernels(kernel_objects)
  endif()
  add_library(afterimage_rig_kernels${suffix} STATIC ${kernel_objects} ${kernels_out}/libraries.cpp)
  target_include_directories(afterimage_rig_kernels${suffix} PRIVATE ${rig})
  target_compile_options(afterimage_rig_kernels${suffix} PRIVATE ${kernel_flags} ${direct_access} ${flags})
  add_dependencies(afterimage_rig_kernels${suffix} afterimage_rig_generated)
  # The two refer to each other.
  target_link_libraries(afterimage_rig_runtime${suffix} PUBLIC afterimage_rig_kernels${suffix})
  target_link_libraries(afterimage_rig_kernels${suffix} PUBLIC afterimage_rig_runtime${suffix} ${compiler_builtins})
  set(host afterimage_metal_host${suffix})
  if(NOT TARGET ${host})
    add_library(${host} OBJECT ${metal_sources} ${kernels_out}/kernel_source.cpp)
    target_link_libraries(${host} PRIVATE afterimage_core)
    add_dependencies(${host} afterimage_rig_generated)
    target_compile_options(${host} PRIVATE -O1 ${flags})  # compiling takes longer than what they compute
    target_precompile_headers(${host} PRIVATE ${metal_folder}/backend_parts.h ${metal_folder}/kernel_cases.h)
  endif()
  add_library(afterimage_metal${suffix} STATIC $<TARGET_OBJECTS:${host}> ${objc_sources} ${fake_sources})
  target_compile_options(afterimage_metal${suffix} PRIVATE -O1 ${flags})
  target_link_libraries(afterimage_metal${suffix} PUBLIC afterimage_core afterimage_rig_runtime${suffix} ${compiler_builtins} ${GNUSTEP_BASE} ${OBJC_RUNTIME})
endfunction()

# The strict pass: address spaces are real and nothing is run. Also proves that a wrong one does not pass.
function(add_strict_check)
  set(strict_flags -std=c++20 -fsyntax-only -DRIG_STRICT -I${rig} -fno-lax-vector-conversions -Wno-unused-function
    -Wno-unknown-pragmas)
  set(commands "")
  foreach(source ${translated})
    list(APPEND commands COMMAND ${CMAKE_CXX_COMPILER} ${strict_flags} ${source})
  endforeach()
  translate_kernels(${rig}/faults/address_space.metal ${kernels_out}/faults_address_space.cpp)
  add_custom_command(OUTPUT ${kernels_out}/strict.passed ${commands}
    COMMAND sh -c "! ${CMAKE_CXX_COMPILER} -std=c++20 -fsyntax-only -DRIG_STRICT -I${rig} ${kernels_out}/faults_address_space.cpp 2> ${kernels_out}/strict_errors.txt"
    COMMAND grep -c "no matching function for call to" ${kernels_out}/strict_errors.txt
    COMMAND ${CMAKE_COMMAND} -E touch ${kernels_out}/strict.passed
    DEPENDS ${translated} ${kernels_out}/faults_address_space.cpp ${language_headers} VERBATIM)
  add_custom_target(metal_strict DEPENDS ${kernels_out}/strict.passed)
  add_dependencies(metal_strict afterimage_rig_generated)
endfunction()

# The host file by the headers of macOS 14, which know no residency sets.
function(add_older_headers)
  add_custom_command(OUTPUT ${kernels_out}/headers_14.passed
    COMMAND ${CMAKE_CXX_COMPILER} -std=c++20 -fsyntax-only -Wall -Wextra -Werror ${objc_flags} -D__MAC_OS_X_VERSION_MAX_ALLOWED=140000
      -I${metal_folder}/.. ${metal_folder}/device.mm
    COMMAND ${CMAKE_COMMAND} -E touch ${kernels_out}/headers_14.passed
    DEPENDS ${metal_folder}/device.mm ${metal_folder}/device.h ${rig}/fake/Metal/Metal.h VERBATIM)
  add_custom_target(metal_headers_14 DEPENDS ${kernels_out}/headers_14.passed)
endfunction()

# No kernel keeps an array in memory of its threads; and two that do are found.
function(add_stack_lint)
  set(lint ${NODE_EXECUTABLE} --import tsx ${rig}/stack-lint.ts --clang ${CMAKE_CXX_COMPILER})
  add_custom_command(OUTPUT ${kernels_out}/stack.passed COMMAND ${lint} ${flattened}
    COMMAND ${lint} --expect ${rig}/faults/stack.metal COMMAND ${CMAKE_COMMAND} -E touch ${kernels_out}/stack.passed
    WORKING_DIRECTORY ${metal_folder}/../.. DEPENDS ${flattened} ${rig}/faults/stack.metal ${generator_files} VERBATIM)
  add_custom_target(metal_stack DEPENDS ${kernels_out}/stack.passed)
  add_dependencies(metal_stack afterimage_rig_generated)
endfunction()

# The core for tests that run an engine under ThreadSanitizer, which would not see how its threads wait for each other.
# As objects: nothing is then left to be taken from the core that everything links.
function(add_threaded_core)
  sanitize_flags(thread flags)
  add_library(afterimage_core_thread OBJECT EXCLUDE_FROM_ALL ${core_sources})
  target_include_directories(afterimage_core_thread PRIVATE ${metal_folder}/..)
  target_compile_options(afterimage_core_thread PRIVATE ${flags})
  set_target_properties(afterimage_core_thread PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 12)
  foreach(name metal_failures)
    target_sources(${name}_thread PRIVATE $<TARGET_OBJECTS:afterimage_core_thread>)
    target_compile_options(${name}_thread PRIVATE ${flags})
  endforeach()
endfunction()

# native/test/metal_*.cpp, plain and under both sanitizers.
function(add_metal_tests)
  translate_kernels(${rig}/faults/faults.metal ${kernels_out}/faults.cpp)
  add_custom_target(metal_faults_generated DEPENDS ${kernels_out}/faults.cpp)
  add_strict_check()
  add_stack_lint()
  add_older_headers()
  add_emulated_metal(_address address)
  add_emulated_metal(_thread thread)
  foreach(suffix "" _address _thread)
    set(tests metal_kernels metal_bits metal_host metal_encoding metal_failures metal_budget metal_proof)
    if(suffix STREQUAL "_thread")
      set(tests metal_kernels metal_encoding metal_failures)
    endif()
    foreach(name ${tests})
      add_executable(${name}${suffix} ${metal_folder}/../test/${name}.cpp)
      target_include_directories(${name}${suffix} PRIVATE ${rig})
      target_compile_options(${name}${suffix} PRIVATE -O1)
      target_link_libraries(${name}${suffix} PRIVATE afterimage_metal${suffix})
    endforeach()
    set(sanitizer "")
    if(suffix)
      string(SUBSTRING ${suffix} 1 -1 sanitizer)
    endif()
    sanitize_flags("${sanitizer}" flags)
    add_library(metal_faults${suffix} OBJECT ${kernels_out}/faults.cpp)
    add_dependencies(metal_faults${suffix} metal_faults_generated)
    target_include_directories(metal_faults${suffix} PRIVATE ${rig})
    target_compile_options(metal_faults${suffix} PRIVATE ${kernel_flags} ${flags})
    add_executable(metal_rig${suffix} ${metal_folder}/../test/metal_rig.cpp)
    target_include_directories(metal_rig${suffix} PRIVATE ${rig})
    target_compile_options(metal_rig${suffix} PRIVATE ${flags})
    target_link_libraries(metal_rig${suffix} PRIVATE metal_faults${suffix} afterimage_rig_runtime${suffix})
    if(TARGET metal_budget${suffix})
      target_compile_definitions(metal_budget${suffix} PRIVATE
        METAL_BUDGET_TABLE="${metal_folder}/../test/metal_budget.json")
    endif()
    foreach(name ${tests} metal_rig)
      set_target_properties(${name}${suffix} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/metal_tests)
    endforeach()
  endforeach()
  add_threaded_core()
endfunction()

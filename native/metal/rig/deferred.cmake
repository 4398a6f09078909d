# For builds of this folder's tests alone: -DCMAKE_PROJECT_afterimage_INCLUDE=…/deferred.cmake adds native/metal after
# everything else of native/CMakeLists.txt is known, unless that file did it itself.
function(add_metal_once)
  if(NOT TARGET afterimage_metal)
    include(metal/CMakeLists.txt)
  endif()
endfunction()
cmake_language(DEFER DIRECTORY ${CMAKE_SOURCE_DIR} CALL add_metal_once)

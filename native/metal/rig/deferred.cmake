# The emulated backend without a change of native/CMakeLists.txt: -DCMAKE_PROJECT_afterimage_INCLUDE=…/deferred.cmake adds
# native/metal after everything else of that file is known, unless the file did it itself, and links the addon to it.
function(add_metal_once)
  if(NOT TARGET afterimage_metal)
    include(metal/CMakeLists.txt)
  endif()
  if(TARGET afterimage_addon)
    target_link_libraries(afterimage_addon PRIVATE afterimage_metal)
  endif()
endfunction()
cmake_language(DEFER DIRECTORY ${CMAKE_SOURCE_DIR} CALL add_metal_once)

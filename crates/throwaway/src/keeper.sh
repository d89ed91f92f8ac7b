# Runs one postmaster for a parent that may be killed at any moment. Orders come as lines, each is answered by one line; when
# the orders end, because the parent closed them or died, the server is stopped and its folder removed.
#
# $1 is the folder, everything after it the command that becomes the postmaster.
folder=$1
shift
pid=
segments=

runs() { grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status"; }

children() { grep -ls "^PPid:[[:space:]]*$pid\$" /proc/[0-9]*/status | sed 's,^/proc/,,; s,/status$,,'; }

freeze() {
    kill -STOP "$pid"
    kill -STOP $(children) 2>/dev/null
}

thaw() {
    kill -CONT $(children) 2>/dev/null
    kill -CONT "$pid"
}

# All at once, as when the machine loses power: a postmaster that saw a child die would recover instead. What it leaves in
# shared memory is noted, for the case that no later start tidies it away.
crash() {
    kill -STOP "$pid"
    family="$pid $(children)"
    segments=$(for one in $family; do grep -hos '/dev/shm/PostgreSQL\.[0-9]*' "/proc/$one/maps"; done | sort -u)
    kill -KILL $family 2>/dev/null
    wait "$pid" 2>/dev/null
    for one in $family; do
        while runs "$one"; do sleep 0.01; done
    done
}

# The data folder, and what it alone remembers: a killed server's shared memory outlives it.
forget() {
    [ -n "$segments" ] && rm -f $segments
    segments=
    if [ -f "$folder/data/postmaster.pid" ]; then
        shared=$(sed -n '7s/.* //p' "$folder/data/postmaster.pid")
        [ -n "$shared" ] && ipcrm -m "$shared" 2>/dev/null
    fi
    rm -rf "$folder/data"
}

while read -r order argument; do
    case $order in
    start)
        [ -n "$pid" ] && wait "$pid" 2>/dev/null
        segments=
        "$@" </dev/null >>"$folder/log" 2>&1 &
        pid=$!
        echo "$pid"
        ;;
    signal)
        kill -"$argument" "$pid" 2>/dev/null
        echo done
        ;;
    freeze | thaw | crash | forget)
        "$order"
        echo done
        ;;
    esac
done

if [ -n "$pid" ] && runs "$pid"; then
    thaw
    kill -QUIT "$pid"
    for _ in $(seq 160); do
        runs "$pid" || break
        sleep 0.05
    done
    runs "$pid" && crash
fi
forget
rm -rf "$folder"

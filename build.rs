//! Linker flags for a Node-API addon (among them `-z nodelete`: an addon that only a worker thread has
//! loaded must outlive that thread).

fn main() {
    napi_build::setup();
}

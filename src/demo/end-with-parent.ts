// Loaded before the service: ends it when the demo that started it is gone, however that went (kill -9 too).
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
// Listening must not keep a service alive that was told to stop.
process.channel?.unref();

package io.sparkgguf.cluster;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Stands between a client and an HTTP server on loopback and lets requests fail as networks and overloaded stores do. What
 * goes wrong follows from a seed, the request and how often it was made, not from the order of arrival, so that a run that
 * was hit is hit again.
 *
 * <p>One request for each connection; bodies pass as they are, in both directions.
 */
public final class FaultProxy implements AutoCloseable {

    /** What may happen to a request. */
    public enum Fault {
        /** It passes. */
        NONE,
        /** It passes late. */
        DELAY,
        /** The store says that it is overloaded, and has not seen the request. */
        SLOW_DOWN,
        /** The store says that it failed, and has not seen the request. */
        INTERNAL_ERROR,
        /** The connection ends before there is an answer; the store has not seen the request. */
        DROP,
        /** The connection ends within the answer; the store has done what was asked. */
        CUT
    }

    /** A request as faults are chosen by. */
    public record Request(String method, String path, String range, int attempt) {

        /** Bytes of the answer that arrive when it is cut: a part of a body, nothing where there is none to speak of. */
        private long cutAfter() {
            return method.equals("GET") ? 500 + Math.floorMod(hashCode(), 100_000) : 0;
        }
    }

    /** Chooses the fault of a request. */
    public interface Faults {
        Fault of(Request request);
    }

    private final ServerSocket server;
    private final URI target;
    private final ExecutorService threads = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task, "fault-proxy");
        thread.setDaemon(true);
        return thread;
    });
    private final Map<String, AtomicInteger> attempts = new ConcurrentHashMap<>();
    private final Map<Fault, Integer> counts = new EnumMap<>(Fault.class);
    private final List<Request> requests = new ArrayList<>();
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private volatile Faults faults;

    private FaultProxy(ServerSocket server, URI target, Faults faults) {
        this.server = server;
        this.target = target;
        this.faults = faults;
    }

    /** Listens on a port of its own and passes requests on to {@code target}. */
    public static FaultProxy start(URI target, Faults faults) throws IOException {
        FaultProxy proxy = new FaultProxy(new ServerSocket(0, 256, InetAddress.getLoopbackAddress()), target, faults);
        proxy.threads.execute(proxy::accept);
        return proxy;
    }

    /**
     * Each request is hit with the probability {@code share}, its repetitions too, but not more than {@code atMost} times.
     */
    public static Faults seeded(long seed, double share, int atMost) {
        Fault[] bad = {Fault.DELAY, Fault.SLOW_DOWN, Fault.INTERNAL_ERROR, Fault.DROP, Fault.CUT};
        return request -> {
            if (request.attempt() >= atMost) {
                return Fault.NONE;
            }
            java.util.Random random = new java.util.Random(
                    seed ^ (request.method() + request.path() + request.range() + request.attempt()).hashCode());
            random.nextInt(); // the first number follows the seed too closely
            return random.nextDouble() < share ? bad[random.nextInt(bad.length)] : Fault.NONE;
        };
    }

    /** From now on. */
    public void choose(Faults now) {
        faults = now;
    }

    /** Where clients go. */
    public URI endpoint() {
        return URI.create("http://127.0.0.1:" + server.getLocalPort());
    }

    /** How often a fault was chosen. */
    public synchronized int count(Fault fault) {
        return counts.getOrDefault(fault, 0);
    }

    /** All requests so far. */
    public synchronized List<Request> requests() {
        return List.copyOf(requests);
    }

    /** Forgets the requests so far, and how often each was made. */
    public synchronized void forget() {
        requests.clear();
        counts.clear();
        attempts.clear();
    }

    private void accept() {
        while (!server.isClosed()) {
            try {
                Socket client = server.accept();
                threads.execute(() -> serve(client));
            } catch (IOException e) {
                return; // closed
            }
        }
    }

    private void serve(Socket client) {
        open.add(client);
        try (client) {
            Head head = Head.read(client.getInputStream());
            if (head != null) {
                Request request = register(head);
                Fault fault = choose(request);
                switch (fault) {
                    case SLOW_DOWN -> refuse(client, head, "503 Slow Down", "SlowDown");
                    case INTERNAL_ERROR -> refuse(client, head, "500 Internal Server Error", "InternalError");
                    case DROP -> client.setSoLinger(true, 0);
                    case DELAY -> {
                        Thread.sleep(50);
                        pass(client, head, Long.MAX_VALUE);
                    }
                    case CUT -> pass(client, head, request.cutAfter());
                    default -> pass(client, head, Long.MAX_VALUE);
                }
            }
        } catch (IOException e) {
            return; // the client went away, or the server did: either sees a connection that ended
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            open.remove(client);
        }
    }

    private Request register(Head head) {
        String part = head.path.replaceAll(".*[?&](partNumber=\\d+).*", "$1");
        String path = head.path.replaceAll("\\?.*", "") + (part.equals(head.path) ? "" : "?" + part);
        String key = head.method + " " + path + " " + head.header("range");
        int attempt = attempts.computeIfAbsent(key, none -> new AtomicInteger()).getAndIncrement();
        Request request = new Request(head.method, path, head.header("range"), attempt);
        synchronized (this) {
            requests.add(request);
        }
        return request;
    }

    private Fault choose(Request request) {
        Fault fault = faults.of(request);
        synchronized (this) {
            counts.merge(fault, 1, Integer::sum);
        }
        return fault;
    }

    private static void refuse(Socket client, Head head, String status, String code) throws IOException {
        long body = Long.parseLong(head.header("content-length").isEmpty() ? "0" : head.header("content-length"));
        if (head.header("expect").isEmpty()) { // else the client waits for an answer before it sends any
            client.getInputStream().skipNBytes(body);
        }
        String xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>" + code + "</Code><Message>" + code
                + "</Message><RequestId>fault</RequestId></Error>";
        if (head.method.equals("HEAD")) {
            xml = "";
        }
        OutputStream out = client.getOutputStream();
        out.write(("HTTP/1.1 " + status + "\r\nContent-Type: application/xml\r\nContent-Length: " + xml.length()
                        + "\r\nConnection: close\r\n\r\n" + xml)
                .getBytes(StandardCharsets.US_ASCII));
        out.flush();
        client.shutdownOutput();
    }

    /** Passes the request on, and of the answer the first {@code most} bytes. */
    private void pass(Socket client, Head head, long most) throws IOException {
        try (Socket upstream = new Socket(target.getHost(), target.getPort())) {
            open.add(upstream);
            OutputStream to = upstream.getOutputStream();
            to.write(head.withConnectionClosed());
            to.flush();
            threads.execute(() -> copyBody(client, upstream));
            byte[] buffer = new byte[1 << 16];
            InputStream from = upstream.getInputStream();
            OutputStream out = client.getOutputStream();
            long passed = 0;
            for (int read = from.read(buffer);
                    read >= 0;
                    read = from.read(buffer)) { // the first read waits for the answer
                int part = (int) Math.min(read, most - passed);
                out.write(buffer, 0, part);
                out.flush();
                passed += part;
                if (passed == most) {
                    client.setSoLinger(true, 0);
                    return;
                }
            }
            client.shutdownOutput();
        }
    }

    private void copyBody(Socket client, Socket upstream) {
        byte[] buffer = new byte[1 << 16];
        try {
            InputStream from = client.getInputStream();
            OutputStream to = upstream.getOutputStream();
            for (int read = from.read(buffer); read >= 0; read = from.read(buffer)) {
                to.write(buffer, 0, read);
                to.flush();
            }
        } catch (IOException e) {
            return; // the answer came, and one of the two is closed
        } finally {
            open.remove(upstream);
        }
    }

    @Override
    public void close() throws IOException {
        server.close();
        for (Socket socket : open) {
            socket.close();
        }
        threads.shutdownNow();
    }

    /** The head of a request: its first line and its headers. */
    private static final class Head {
        private static final int MOST = 1 << 16;
        private final String method;
        private final String path;
        private final List<String> lines;

        private Head(List<String> lines) {
            this.lines = lines;
            String[] first = lines.get(0).split(" ");
            method = first[0];
            path = first[1];
        }

        /** Null when the client said nothing. */
        static Head read(InputStream in) throws IOException {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            int matched = 0;
            byte[] end = {'\r', '\n', '\r', '\n'};
            while (matched < end.length) {
                int next = in.read();
                if (next < 0) {
                    if (bytes.size() == 0) {
                        return null;
                    }
                    throw new EOFException("a request ended in its head");
                }
                bytes.write(next);
                matched = next == end[matched] ? matched + 1 : next == '\r' ? 1 : 0;
                if (bytes.size() > MOST) {
                    throw new IOException("a head of more than " + MOST + " bytes");
                }
            }
            return new Head(
                    bytes.toString(StandardCharsets.ISO_8859_1).strip().lines().toList());
        }

        /** A header's value; an empty text when it is not there. */
        String header(String name) {
            for (String line : lines) {
                int colon = line.indexOf(':');
                if (colon > 0
                        && line.substring(0, colon)
                                .strip()
                                .toLowerCase(Locale.ROOT)
                                .equals(name)) {
                    return line.substring(colon + 1).strip();
                }
            }
            return "";
        }

        byte[] withConnectionClosed() {
            StringBuilder text = new StringBuilder();
            for (String line : lines) {
                if (!line.toLowerCase(Locale.ROOT).startsWith("connection:")) {
                    text.append(line).append("\r\n");
                }
            }
            return text.append("Connection: close\r\n\r\n").toString().getBytes(StandardCharsets.ISO_8859_1);
        }
    }
}

# homologd in a container. Build: docker build -t homolog .
# Run, for this machine alone:
#   docker run -p 127.0.0.1:7431:7431 -v /models:/models:ro -v homolog-data:/data homolog --insecure
# For others: docs/security.md says how to make the files in /etc/homolog. uid 10001 must be able to
# read them, and to write to what is mounted at /data.
#   docker run -p 7431:7431 -v /models:/models:ro -v homolog-data:/data -v /etc/homolog:/tls:ro \
#     homolog --tls-cert=/tls/cert.pem --tls-key=/tls/key.pem --token-file=/tls/tokens
FROM debian:12 AS build
WORKDIR /src
COPY deploy/setup.sh deploy/setup.sh
RUN sh deploy/setup.sh
COPY . .
RUN cmake --preset release -DHOMOLOG_TESTS=OFF -DHOMOLOG_BENCH=OFF \
 && cmake --build --preset release --target homologd homolog homolog-train

FROM debian:12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libtorch1.13 libopenblas0-openmp libdnnl2 libgrpc++1.51 \
      libprotobuf32 libabsl20220623 librocksdb7.8 libprometheus-cpp-core1.0 libcpp-httplib0.11 \
      libgoogle-glog0v6 libisal2 libssl3 libpcre2-8-0 libicu72 zlib1g libzstd1 libxxhash0 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 homolog \
 && useradd --uid 10001 --gid 10001 --no-log-init --create-home --shell /usr/sbin/nologin homolog \
 && install -d -o 10001 -g 10001 /data
COPY --from=build /src/build/release/bin/homologd /src/build/release/bin/homolog \
     /src/build/release/bin/homolog-train /usr/local/bin/
# By number: what mounts folders and files for it, and Kubernetes' runAsNonRoot, see no names.
USER 10001:10001
EXPOSE 7431 7432
VOLUME /data
# Inside the container's own network namespace every address is needed. It starts only with TLS and
# tokens or client certificates, or with --insecure.
ENTRYPOINT ["homologd", "--repository=/models", "--data=/data", "--listen=0.0.0.0:7431", \
            "--admin=0.0.0.0:7432"]
